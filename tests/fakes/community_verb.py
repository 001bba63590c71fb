"""The verb community, called within this process."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from app import cli


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[dict[str, Any]], str]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = cli.main(["community", *map(str, arguments), "--json"])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    caught = capsys.readouterr()
    assert "Traceback" not in caught.err
    assert "should not have happened" not in caught.err
    return code, [json.loads(line) for line in caught.out.splitlines()], caught.err
