"""The verb community with modules whose link brings readings only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.readings_means import WHY
from device_io.mqtt.payload import encode_payload
from tests.fakes.command_line import Simulation
from tests.fakes.community_verb import run
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.mqtt_publisher import Place, Publisher, sound_values

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SENSIX_DATA", str(tmp_path / "data"))


def test_preview_of_readings_over_a_bus(capsys: pytest.CaptureFixture[str]) -> None:
    """The order beyond the band is unknown, and what it is made of is said."""
    with Simulation("--rs485", "--preset", "us-house", "--system", "1P") as simulation:
        code, (preview,), told = run(capsys, "preview", simulation.told["rs485"], "--position", "u82f")
    data = readings_shown(code, preview, told, "1P-PowerMonitor1", simulation.told["eui"])
    assert data["1V5"] > 0.0
    assert data["1V35"] is None


@pytest.mark.parametrize("system", ["1P", "3P+N"])
def test_preview_of_readings_over_wifi(capsys: pytest.CaptureFixture[str], tmp_path: Path, system: str) -> None:
    """Of a module that only publishes, and does not tell its wiring."""
    eui = "2462ABFFFE1A2B3C"
    with Mosquitto(tmp_path) as server, Publisher(Place(server.port, None)) as module:
        module.repeat(f"v1/home/devices/{eui}/0/bin", encode_payload(sound_values(system)), 0.2)
        code, (preview,), told = run(capsys, "preview", f"{server.url}/home/{eui}", "--position", "u82f")
    kind = "1P-PowerMonitor1" if system == "1P" else "3PN-PowerMonitor1"
    data = readings_shown(code, preview, told, kind, eui)
    assert data["1V5"] == 2.5
    assert data["2V5"] == (None if system == "1P" else 2.5)


def readings_shown(code: int, preview: dict[str, Any], told: str, kind: str, eui: str) -> dict[str, Any]:
    """The values of a preview of readings."""
    assert code == 0
    assert not preview["sendable"]
    assert preview["basis"] == WHY
    assert WHY in told
    document = json.loads(preview["payload"])
    assert document["type"] == kind
    assert document["payload"]["data"]["THV1"] > 0.0
    assert len(document["payload"]["data"]) == 123
    assert eui not in json.dumps(preview)
    return dict(document["payload"]["data"])
