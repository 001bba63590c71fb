"""The rules of docs/architecture.md and CONTRIBUTING.md that a machine can check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("app", "widgets", "device_io", "dsp", "firmware_images", "resources")
pytestmark = pytest.mark.timeout(180)

LONGEST_FILE = 400
LONGEST_WINDOW = 300

LOOK_AT_IMPORTS = """
import importlib, os, pkgutil, sys, threading
sys.path.insert(0, os.getcwd())
opened = []
watched = ("open", "socket.bind", "subprocess.Popen")
sys.addaudithook(lambda event, args: opened.append(args[0]) if event in watched else None)
import numpy, serial, comtrade, PySide6.QtWidgets, pyqtgraph
packages = {packages!r}
names = list(packages)
for package in packages:
    for found in pkgutil.walk_packages([package], package + "."):
        names.append(found.name)
opened.clear()
for name in names:
    importlib.import_module(name)
ours = [p for p in opened if isinstance(p, str) and not p.endswith((".py", ".pyc")) and ".pyc." not in p]
assert threading.active_count() == 1, threading.enumerate()
assert not ours, ours
"""


def sources() -> list[Path]:
    files = [path for package in (*PACKAGES, "tests") for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 20
    return [*files, ROOT / "main.py"]


def test_imports_follow_the_architecture() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=ROOT, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_opens_reads_and_starts_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK_AT_IMPORTS.format(packages=PACKAGES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr


def test_files_stay_short() -> None:
    too_long = []
    for path in sources():
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        limit = LONGEST_WINDOW if path.name == "main_window.py" else LONGEST_FILE
        if lines > limit and "Longer than 400 lines because" not in text:
            too_long.append(f"{path.relative_to(ROOT)}: {lines}")
    assert not too_long
