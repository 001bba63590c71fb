"""doctor: what it prints, and how it ends."""

from __future__ import annotations

import argparse

import pytest

from app.output import Output, Refused
from app.stopping import Stop
from app.verbs import doctor
from device_io.doctor import Check


def test_the_last_word_says_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The first thing that fails may only be a sign of what comes after it."""
    checks = [
        Check("Port", "ok", "It opens."),
        Check("Reply", "bad", "Unit 7 does not answer; 1 does."),
        Check("Address", "bad", "No unit has address 7; there is 1.", "Use unit=1."),
    ]
    monkeypatch.setattr(doctor, "examine", lambda *_: checks)
    with pytest.raises(Refused, match=r"^Address: No unit has address 7; there is 1\. Use unit=1\.$"):
        doctor.run(argparse.Namespace(url="rs485:COM5?unit=7"), Output(as_json=False, stop=Stop()))
    assert [line[:4] for line in capsys.readouterr().out.splitlines() if line[0] != " "] == ["ok  ", "BAD ", "BAD "]


def test_without_any_advice_it_is_the_first_that_fails(monkeypatch: pytest.MonkeyPatch):
    checks = [Check("Reply", "bad", "Nothing."), Check("Address", "bad", "None.")]
    monkeypatch.setattr(doctor, "examine", lambda *_: checks)
    with pytest.raises(Refused, match=r"^Reply: Nothing\.$"):
        doctor.run(argparse.Namespace(url="rs485:COM5"), Output(as_json=False, stop=Stop()))
