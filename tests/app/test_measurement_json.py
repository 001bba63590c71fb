"""JSON and text of a measurement."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from app.measurement_json import iso_utc, to_json, to_text
from dsp.measurement import Band, Measurement
from resources.parameters import keys_for
from resources.systems import SYSTEMS


def measurement(system: str = "3P+N", **values: float | None) -> Measurement:
    return Measurement(
        end_ns=1447824783765499999,
        start_s=0.0,
        end_s=0.2,
        system=system,
        window="10/12-cycle",
        flags=("dip",),
        band=Band(26, 33, 33),
        values=values,
        corrected={"V1r": 231.0, "V2r": math.nan},
        module="0011223344556677",
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_key_of_the_system_and_no_nan(system: str) -> None:
    made = to_json(measurement(system, V1r=230.123456789, I1r=math.nan, P1=math.inf, unknown=1.0))
    assert list(made["values"]) == list(keys_for(system))  # type: ignore[arg-type]
    assert made["values"]["V1r"] == 230.123456789
    assert made["values"]["I1r"] is None
    assert made["values"]["P1"] is None
    assert made["corrected"] == {"V1r": 231.0}
    assert (made["time"], made["module"], made["system"]) == ("2015-11-18T05:33:03.765Z", "0011223344556677", system)
    assert made["band"] == {"trusted_to": 26, "indicative_to": 33, "thd_to": 33}
    assert made["flags"] == ["dip"]
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_completeness_and_clock() -> None:
    made = to_json(replace(measurement(), completeness=0.58, clock_ppm=(-12.5, 0.75)))
    assert (made["completeness"], made["clock_ppm"]) == (0.58, {"value": -12.5, "uncertainty": 0.75})
    assert to_json(replace(measurement(), clock_ppm=(3.0, math.inf)))["clock_ppm"] == {
        "value": 3.0,
        "uncertainty": None,
    }
    assert (to_json(measurement())["completeness"], to_json(measurement())["clock_ppm"]) == (1.0, None)
    assert "sample clock -12.5 ppm, known to 0.8 ppm" in to_text(replace(measurement(), clock_ppm=(-12.5, 0.75)))
    assert "clock" not in to_text(measurement())


def test_lost_and_clipped_samples_are_counted() -> None:
    spoilt = replace(measurement(), flags=("gap", "clipped"), samples_lost=37, samples_clipped=5)
    made, text = to_json(spoilt), to_text(spoilt)
    assert (made["samples_lost"], made["samples_clipped"]) == (37, 5)
    assert "values are null (37 samples)" in text
    assert "end of the input's range (5 samples)" in text
    assert (to_json(measurement())["samples_lost"], to_json(measurement())["samples_clipped"]) == (0, 0)
    assert "samples)" not in to_text(measurement())


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (999_500_000, "1970-01-01T00:00:01.000Z"),
        (999_499_999, "1970-01-01T00:00:00.999Z"),
        (1690417193156666511, "2023-07-27T00:19:53.157Z"),
    ],
)
def test_time_has_milliseconds(time_ns: int, text: str) -> None:
    assert iso_utc(time_ns) == text


def test_text_has_units_and_says_what_is_not_available() -> None:
    text = to_text(measurement(V1r=348.951, THV1=1.239, I1r=0.01234, P1=-41234.5, PF1i=-0.92, Fqai=59.98, Pc=0.0))
    for part in ("348.95 V", "1.24 %", "12.340 mA", "-41.234 kW", "-0.920", "59.980 Hz", "0 W", "n/a", "a dip was"):
        assert part in text
    assert [line.split()[0] for line in text.splitlines()[2:7]] == ["L1", "L2", "L3", "N", "sum"]
    assert "nan" not in text


def test_text_of_one_phase_is_short() -> None:
    text = to_text(measurement("1P", V1r=130620.76))
    assert "130.62 kV" in text
    assert "L2" not in text
    assert "sum" not in text


def test_text_of_longer_intervals() -> None:
    ten_seconds = replace(measurement(Fq10=49.98765), window="10s", flags=("short",), completeness=0.58)
    assert to_text(ten_seconds).endswith("10s  49.988 Hz  58.0 % of it measured  flags: short")
    ten_minutes = replace(measurement(V1r=230.0, Pst1=0.351), window="10min", flags=())
    assert "Pst: L1 0.35" in to_text(ten_minutes)
    assert "L2 n/a" in to_text(ten_minutes)
    assert "measured" not in to_text(ten_minutes)
    assert "Plt: L1 n/a" in to_text(replace(ten_minutes, window="2h"))


@pytest.mark.parametrize("window", ["10/12-cycle", "150/180-cycle", "10s", "10min", "2h", "record"])
def test_the_window_is_named(window: str) -> None:
    made = to_json(replace(measurement(), window=window))
    assert made["window"] == window
    first = ["time", "module", "system", "window", "flags", "band", "values", "corrected"]
    assert list(made) == [*first, "completeness", "clock_ppm", "samples_lost", "samples_clipped"]
