"""From a virtual module on a real serial line to measurements, through the command line."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from resources.parameters import keys_for
from tests.fakes.command_line import MAIN, ROOT, Simulation, environment, json_lines, run_verb

pytestmark = pytest.mark.timeout(180)


def tolerance(key: str, truth: float) -> float:
    """0.1 % for rms and power, 0.1 % of the fundamental (100) for orders, else what the display can show."""
    if key[0] in "123N" and key[1] in "VI" and key[2:].isdigit():
        return 0.1
    if key.startswith(("TH", "u")):
        return 0.1
    if key.startswith("Fq"):
        return 0.005
    if key.endswith("a") or key.startswith("phi"):
        return 0.1
    if key.startswith(("PF", "dPF")):
        return 0.001
    return max(0.001 * abs(truth), 0.05)


def whole(measurements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those without gaps: a computer that is busy with something else for a while loses blocks, as it may."""
    return [measurement for measurement in measurements if "gap" not in measurement["flags"]]


@pytest.mark.parametrize(
    ("preset", "system"),
    [("clean", "3P+N"), ("office", "3P+N"), ("office", "1P"), ("us-house", "1P+N"), ("office", "3P")],
)
def test_read_measures_what_the_virtual_module_plays(preset: str, system: str) -> None:
    with Simulation("--usb", "--preset", preset, "--system", system) as module:
        done = run_verb("read", module.told["usb"], "--count", "8", "--json")
    assert done.returncode == 0, done.stderr
    measurements = json_lines(done.stdout)
    assert len(measurements) == 8
    last = whole(measurements)[-1]
    assert last["system"] == system
    assert last["module"] == module.told["eui"]
    assert last["window"] == "10/12-cycle"
    assert list(last["values"]) == list(keys_for(system))
    truth = {key: value for key, value in module.told["truth"].items() if value is not None and key in last["values"]}
    truth.pop("Fq10")  # not a value of one window
    assert len(truth) > 40
    wrong = {
        key: (last["values"][key], value)
        for key, value in truth.items()
        if last["values"][key] is None or abs(last["values"][key] - value) > tolerance(key, value)
    }
    assert not wrong


def test_a_tcp_port_serves_where_there_are_no_ptys() -> None:
    with Simulation("--usb", "tcp", "--preset", "clean") as module:
        assert module.told["usb"].startswith("usb:socket://127.0.0.1:")
        done = run_verb("read", module.told["usb"], "--count", "5", "--json")
    assert done.returncode == 0, done.stderr
    assert math.isclose(whole(json_lines(done.stdout))[-1]["values"]["V1r"], 230.0, rel_tol=1e-3)


def test_text_is_for_people() -> None:
    with Simulation("--usb", "--preset", "office") as module:
        done = run_verb("read", module.told["usb"], "--count", "4")
    assert done.returncode == 0, done.stderr
    assert "Hz" in done.stdout
    assert "n/a" in done.stdout or "THD" in done.stdout
    assert "nan" not in done.stdout.lower()


def test_unplugging_resumes_with_a_gap(tmp_path: Path) -> None:
    faults = ",".join(f"unplug@{start}:1.5" for start in range(4, 120, 8))  # whenever the reading begins
    told, since = tmp_path / "told.txt", []
    with Simulation("--usb", "--preset", "clean", "--fault", faults) as module, told.open("w") as errors:
        reader = start_reading(module.told["usb"], errors)
        assert reader.stdout is not None
        for line in reader.stdout:
            if "Waiting for it to come back" in told.read_text():
                since += json_lines(line)
            if len(whole(since)) < len(since) and since[-1] in whole(since):
                break
        reader.terminate()
        reader.communicate(timeout=20.0)
    assert len(whole(since)) < len(since), told.read_text()
    assert since[-1]["values"]["V1r"] == pytest.approx(230.0, rel=1e-3)


def start_reading(url: str, errors: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, MAIN, "read", url, "--json"],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=environment(),
    )


@pytest.mark.parametrize("ending", ["SIGTERM", "SIGINT"])
def test_signals_end_simulate_and_read_within_two_seconds(ending: str) -> None:
    import signal

    with Simulation("--usb", "--preset", "clean") as module:
        reader = start_reading(module.told["usb"])
        assert reader.stdout is not None
        assert reader.stdout.readline().startswith("{")
        for process in (reader, module.process):
            process.send_signal(getattr(signal, ending))
            assert process.wait(timeout=30.0) == 0
        _, errors = reader.communicate(timeout=20.0)
        assert "Traceback" not in errors


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe shows at the next line only")
def test_a_closed_pipe_ends_simulate_and_read() -> None:
    with Simulation("--usb", "--preset", "clean") as module:
        reader = start_reading(module.told["usb"])
        assert reader.stdout is not None
        reader.stdout.readline()
        reader.stdout.close()
        assert reader.wait(timeout=30.0) == 0
        assert reader.stderr is not None
        assert "Traceback" not in reader.stderr.read()
        reader.stderr.close()
        assert module.process.stdout is not None
        module.process.stdout.close()
        assert module.process.wait(timeout=30.0) == 0
        module.process.stdout = None


@contextmanager
def talker(line: bytes) -> Iterator[str]:
    """A TCP port at which something else talks (nothing at all, for an empty line)."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.2)
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            try:
                client, _ = server.accept()
            except TimeoutError:
                continue
            with client:
                client.settimeout(0.05)
                while not ending.wait(0.05):
                    try:
                        if line:
                            client.sendall(line)
                        if client.recv(4096) == b"":
                            break
                    except TimeoutError:
                        continue
                    except OSError:
                        break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"usb:socket://127.0.0.1:{server.getsockname()[1]}"
    finally:
        ending.set()
        thread.join(20.0)
        server.close()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"$GPRMC,120000,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n", "GPRMC"),
        (b"temperature: 21.5\r\n", "temperature"),
        (b"", "answer"),
        (b"\xc0\x00\xff\x10\xc0\xdb\xdb\x81\xfe", ""),
    ],
    ids=["gps", "arduino", "silence", "noise"],
)
def test_something_else_at_the_port_is_told_in_one_sentence(line: bytes, word: str) -> None:
    with talker(line) as url:
        done = run_verb("read", url, "--count", "1")
    assert done.returncode == 1
    assert word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("read", "usb:/dev/ttyNOPE"), 1, "ttyNOPE"),
        (("read", "usb:socket://127.0.0.1:9"), 1, "127.0.0.1:9"),
        (("read", "/dev/ttyUSB0"), 2, "usb:"),
        (("read", "usb:COM5", "--count", "0"), 2, "--count"),
        (("read",), 2, "URL"),
        (("simulate", "--preset", "nowhere"), 2, "office"),
        (("simulate", "--fault", "explode@3"), 2, "unplug@S"),
        (("simulate", "--replay", "nothing.cfg"), 1, "nothing.cfg"),
        (("gui", "--demo", "nowhere", "--screenshot", "x.png"), 2, "office"),
        (("frobnicate",), 2, "analyze"),
    ],
)
def test_bad_input_gets_one_sentence(arguments: tuple[str, ...], code: int, word: str) -> None:
    done = run_verb(*arguments)
    assert done.returncode == code, done.stderr
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(
    not (ROOT.parent / "shared/data/keating").is_dir(), reason="the recorded data are not beside the project"
)
def test_real_mains_replayed_and_read_back() -> None:
    recording = ROOT.parent / "shared/data/keating/keating_1999.CFG"
    with Simulation("--usb", "--replay", str(recording)) as module:
        done = run_verb("read", module.told["usb"], "--count", "6", "--json")
    assert done.returncode == 0, done.stderr
    values = whole(json_lines(done.stdout))[-1]["values"]
    for key, expected in {"V1r": 349, "V2r": 352, "V3r": 346, "I1r": 126, "I2r": 152, "I3r": 167}.items():
        assert values[key] == pytest.approx(expected, abs=1.0)
    assert values["Fqai"] == pytest.approx(60.0, abs=0.1)
    for key in ("THV1", "THV2", "THV3"):
        assert 1.1 < values[key] < 1.4


def test_the_window_is_drawn_to_a_file(tmp_path: Path) -> None:
    picture = tmp_path / "live.png"
    done = run_verb(
        "gui", "--demo", "--size", "1280x720", "--theme", "light", "--screenshot", str(picture), "--after", "4"
    )
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert int.from_bytes(picture.read_bytes()[16:20], "big") == 1280
    assert int.from_bytes(picture.read_bytes()[20:24], "big") == 720


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these systems always have a display")
def test_without_a_display_the_window_says_how_to_see_it() -> None:
    bare = {
        key: value
        for key, value in environment().items()
        if key not in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")
    }
    done = subprocess.run([sys.executable, MAIN], capture_output=True, text=True, timeout=55, env=bare, check=False)
    assert done.returncode == 1
    assert "--screenshot" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
