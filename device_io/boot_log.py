"""What the lines that a module prints at its start mean. The words are those of the ESP32's boot ROM, of ESP-IDF's
second-stage bootloader and of its panic handler (ESP-IDF programming guide, "Fatal Errors", "Bootloader")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

LOOP_RESETS = 3
"""So many starts in one log, the later ones not by power: the module restarts again and again."""
GUIDE = (
    "Leave the USB cable plugged in. If the module has two USB sockets, use the one that is marked USB or UART.",
    "Hold the button BOOT (on some boards: IO0 or FLASH). It is not the button RESET (EN).",
    "While you hold it, press RESET (EN) shortly. Without such a button: unplug the cable and plug it in again.",
    "Let BOOT go after a second and try again here. The module prints nothing now: that is right.",
)
"""How a person brings a module into its loader that does not enter it by itself."""


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """What a log means. key: for programs. title: what it is; advice: what to do; line: the words it follows from."""

    key: str
    severity: Severity
    title: str
    advice: str = ""
    line: str = ""


@dataclass(frozen=True)
class _Rule:
    key: str
    severity: Severity
    words: re.Pattern[str]
    title: str
    advice: str


def _rule(key: str, severity: Severity, words: str, title: str, advice: str) -> _Rule:
    return _Rule(key, severity, re.compile(words, re.IGNORECASE), title, advice)


_RULES = (
    _rule(
        "brown-out",
        Severity.BAD,
        r"brownout detector was triggered|RTCWDT_BROWN_OUT|BROWN_OUT_RST|\bBROWNOUT",
        "The supply voltage broke down",
        "Use another USB cable and a port of the computer itself, no hub; check the module's supply.",
    ),
    _rule(
        "secure-boot",
        Severity.BAD,
        r"secure boot (?:v\d )?(?:(?:verification|check) )?fail|signature (?:verification|check) failed"
        r"|no signature block|failed to verify (?:app )?signature",
        "The firmware is not signed as this module demands",
        "The module starts its maker's signed firmware only. Restore the backup, or flash the maker's firmware.",
    ),
    _rule(
        "no-bootloader",
        Severity.BAD,
        r"invalid header: ?0x|flash read err",
        "The chip finds no bootloader in its flash",
        "Restore the last backup, or flash a complete firmware (a bundle with bootloader and partition table).",
    ),
    _rule(
        "bad-partition-table",
        Severity.BAD,
        r"failed to verify partition table|load partition table error|partition table (?:invalid|error)",
        "The partition table is damaged",
        "Restore the last backup; it holds the table, the settings and the calibration.",
    ),
    _rule(
        "damaged-image",
        Severity.BAD,
        r"csum err|checksum failed|SHA-256 comparison failed|hash (?:of data )?(?:failed|mismatch|does not match)"
        r"|calculated hash|image (?:corrupted|hash failed)|image at 0x[0-9a-f]+ has invalid magic byte|image invalid",
        "The firmware in the flash is damaged",
        "Flash the firmware again, or finish the update that was broken off.",
    ),
    _rule(
        "wrong-chip",
        Severity.BAD,
        r"mismatch chip id|chip revision check failed|requires (?:chip|efuse blk) rev|can't boot.*revision"
        r"|efuse block revision check failed",
        "The firmware is for another chip",
        "Flash the firmware for this module, or restore the last backup.",
    ),
    _rule(
        "flash-too-small",
        Severity.BAD,
        r"detected size ?\(\d+k\) smaller than the size in the binary image header",
        "The firmware is built for a larger flash memory",
        "Flash the firmware for this module, or restore the last backup.",
    ),
    _rule(
        "rollback",
        Severity.BAD,
        r"secure version|anti.?rollback",
        "The firmware is older than the module allows",
        "The module starts newer firmware only (anti-rollback). Flash a newer one.",
    ),
    _rule(
        "no-application",
        Severity.BAD,
        r"no bootable (?:app|test|other)|no (?:app|valid) partition|invalid app partition",
        "There is no application that starts",
        "Flash a firmware, or restore the last backup.",
    ),
    _rule(
        "slot-skipped",
        Severity.WARN,
        r"(?:OTA|factory) app partition.* (?:is )?not bootable|rolling back|rollback",
        "An application was passed over",
        "The module starts the other one. Flash again to have the newest run.",
    ),
    _rule(
        "download-mode",
        Severity.WARN,
        r"waiting for download|boot:0x[0-9a-f]+ ?\((?:DOWNLOAD|UART_)",
        "The module waits in its loader",
        "It is ready to be flashed. To start its program, let BOOT go and press RESET, or plug it in again.",
    ),
    _rule(
        "panic",
        Severity.BAD,
        r"guru meditation|panic'?ed|abort\(\) was called|assert(?:ion)? failed|unhandled debug exception"
        r"|\*\*\*ERROR\*\*\*.*stack overflow|SW_CPU_RESET.*panic",
        "The firmware crashed",
        "Flash the newest firmware, or go back to the one before. Send this log to its maker.",
    ),
    _rule(
        "watchdog",
        Severity.BAD,
        r"task watchdog got triggered|interrupt wdt timeout|TG[01]WDT|(?<!OUT_)RTCWDT_(?:RTC|SYS|CPU)_RESET|"
        r"RTC_?WDT_(?:RTC|SYS|CPU)|TG[01]_?WDT|SUPER_WDT",
        "The watchdog restarted the module",
        "The program hung. Flash the newest firmware, or go back to the one before.",
    ),
    _rule(
        "settings-erased",
        Severity.WARN,
        r"nvs.*(?:no settings|no[ _]free[ _]pages|new[ _]version[ _]found|corrupt|erasing|init failed)",
        "The settings were not found",
        "The module runs with defaults. Put the settings of the last backup back.",
    ),
    _rule(
        "no-calibration",
        Severity.WARN,
        r"\bcal\b.*no calibration|calibration (?:missing|lost|invalid)",
        "The calibration was not found",
        "Measurements are off. Restore the last backup: it holds the calibration.",
    ),
)
_RESET = re.compile(r"^\s*rst:0x([0-9a-f]+) ?\(([A-Z0-9_]+)\)", re.IGNORECASE)
_STARTED = re.compile(
    r"loaded app from partition|cpu_start: |main_task: calling app_main|Starting scheduler|link: ready", re.IGNORECASE
)
_BACKTRACE = re.compile(r"^\s*Backtrace:\s*(\S+.*)", re.IGNORECASE)
_ORDER = (Severity.BAD, Severity.WARN, Severity.INFO, Severity.OK)
_NOTHING_STARTS = (
    "no-bootloader",
    "bad-partition-table",
    "damaged-image",
    "secure-boot",
    "no-application",
    "wrong-chip",
)
_POWER = ("POWERON", "DEEPSLEEP")


def explain(log: str | Iterable[str]) -> tuple[Finding, ...]:
    """What a boot log means, the worst first, each once; () where nothing is known of it."""
    lines = [line.strip() for line in (log.splitlines() if isinstance(log, str) else log) if line.strip()]
    found: dict[str, Finding] = {}
    resets = [match for line in lines if (match := _RESET.match(line))]
    _add(found, _loop(resets))
    # The chip's own watchdog restarts it when the ROM finds nothing to start: the cause is what stands before.
    starts = any(_STARTED.search(line) for line in lines)
    for line in lines:
        for rule in _RULES:
            if rule.key not in found and rule.words.search(line):
                _add(found, Finding(rule.key, rule.severity, rule.title, rule.advice, line))
    if not starts and any(key in found for key in _NOTHING_STARTS):
        found.pop("watchdog", None)
    if "rollback" in found:
        found.pop("slot-skipped", None)
    trace = next((match[1] for line in lines if (match := _BACKTRACE.match(line))), None)
    if "panic" in found and trace is not None:
        panic = found["panic"]
        found["panic"] = Finding(
            panic.key, panic.severity, panic.title, panic.advice, f"{panic.line} Backtrace: {trace}"
        )
    if starts and not any(finding.severity is Severity.BAD for finding in found.values()):
        _add(found, Finding("started", Severity.OK, "The firmware starts", "", _line_of(lines, _STARTED)))
    return tuple(sorted(found.values(), key=lambda finding: _ORDER.index(finding.severity)))


def in_words(findings: Sequence[Finding]) -> str:
    """The worst finding in one or two sentences, "" where none is bad."""
    bad = [finding for finding in findings if finding.severity is Severity.BAD and finding.key != "boot-loop"]
    bad = bad or [finding for finding in findings if finding.severity is Severity.BAD]
    return f"{bad[0].title}. {bad[0].advice}" if bad else ""


def _loop(resets: Sequence[re.Match[str]]) -> Finding | None:
    again = [match for match in resets[1:] if not match[2].upper().startswith(_POWER)]
    if len(resets) < LOOP_RESETS or len(again) < LOOP_RESETS - 1:
        return None
    return Finding(
        "boot-loop",
        Severity.BAD,
        "The module restarts again and again",
        "See the other findings for the cause; else restore the last backup.",
        f"{len(resets)} starts, the last by {again[-1][2]}",
    )


def _add(found: dict[str, Finding], finding: Finding | None) -> None:
    if finding is not None:
        found[finding.key] = finding


def _line_of(lines: Sequence[str], words: re.Pattern[str]) -> str:
    return next((line for line in lines if words.search(line)), "")
