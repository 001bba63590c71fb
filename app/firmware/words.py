"""Stages and results of flashing and provisioning, as JSON for programs and as text for people."""

from __future__ import annotations

from typing import Any

from device_io.boot_log import Finding
from device_io.flashing.result import FlashProgress, FlashResult, Stage
from device_io.provisioning import Step

STAGES = {
    Stage.CHECK: "Ask the module who it is",
    Stage.RELEASE: "Let the port go",
    Stage.IDENTIFY: "Enter the loader and identify the chip",
    Stage.BACKUP: "Back up the whole flash",
    Stage.WRITE: "Write",
    Stage.VERIFY: "Read back and compare",
    Stage.RESET: "Restart the module",
    Stage.CONFIRM: "Wait for the module to answer",
}
STEPS = {
    Step.WIFI: "Join the network",
    Step.SETTINGS: "Write the address of the broker",
    Step.READING: "Wait for the first reading at the broker",
}


def progress_to_json(progress: FlashProgress) -> dict[str, Any]:
    """A line of progress. eta_s: seconds, null where unknown."""
    eta_s = None if progress.eta_s is None else round(progress.eta_s, 1)
    return {"stage": str(progress.stage), "done": progress.done, "total": progress.total, "eta_s": eta_s}


def progress_to_text(progress: FlashProgress) -> str:
    """The stage, and how far it is."""
    title = STAGES[progress.stage]
    if not progress.total:
        return f"{title} ..."
    left = f", about {progress.eta_s:.0f} s left" if progress.eta_s is not None and progress.eta_s >= 1.0 else ""
    return f"{title}: {100 * progress.done // progress.total} %{left}"


def result_to_json(result: FlashResult) -> dict[str, Any]:
    """The last line."""
    return {
        "result": result.result,
        "reason": result.reason,
        "stage": str(result.stage),
        "version": result.version,
        "backup": str(result.backup) if result.backup is not None else None,
        "unfinished": result.unfinished or result.earlier is not None,
        "differences": list(result.differences),
        "findings": [finding_to_json(finding) for finding in result.findings],
        "guide": list(result.guide),
    }


def result_to_text(result: FlashResult) -> str:
    """What a job that went well leaves, in a line or two."""
    runs = f"The module runs {result.version}." if result.version else "Done."
    lines = [f"{runs} Backup: {result.backup}" if result.backup is not None else runs]
    return "\n".join([*lines, *result.differences])


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """What a boot log says."""
    return {
        "key": finding.key,
        "severity": str(finding.severity),
        "title": finding.title,
        "advice": finding.advice,
        "line": finding.line,
    }


def steps_to_text(guide: tuple[str, ...]) -> str:
    """Numbered steps."""
    return "\n".join(f"  {number}. {step}" for number, step in enumerate(guide, 1))
