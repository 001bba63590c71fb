"""The command line: picks the verb, keeps its promises (exit codes, clean end, no traceback)."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from app.output import Output, Refused, WrongUsage
from app.stopping import Stop

VERBS = {
    "gui": "open the window",
    "simulate": "run a virtual module on real ports",
    "discover": "find modules on all links",
    "read": "measure with a module, a line for each window",
    "doctor": "find out why a module can't be reached",
    "analyze": "measure a COMTRADE file",
    "firmware": "look at, bundle, flash, back up and restore firmware; give a module its WiFi",
    "broker": "run an MQTT broker for a home without one",
    "community": "share anonymised power quality with the community map, and look at it",
}

DONE, REFUSED, WRONG_USAGE = 0, 1, 2


def main(arguments: Sequence[str]) -> int:
    """Run a verb. Returns 0 when done, 1 when refused or failed, 2 for wrong usage."""
    stop = Stop()
    stop.install()  # first of all: what a verb loads takes a while
    _use_streams()
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    # The matrices of a window are small: threads of the linear algebra would spin longer than they work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = list(arguments)
    if not arguments:
        arguments = ["gui"]
    verb = arguments.pop(0)
    output = Output(as_json=False, stop=stop)
    if verb in ("-h", "--help"):
        output.result({}, _overview())
        return REFUSED if output.is_lost else DONE
    if verb not in VERBS:
        output.note(f'"{verb}" is no verb of this program. Use one of: {", ".join(VERBS)}.')
        return WRONG_USAGE
    code = _run(verb, arguments, output)
    output.flush()
    return REFUSED if output.is_lost and code == DONE else code


def _run(verb: str, arguments: list[str], output: Output) -> int:
    module = importlib.import_module(f"app.verbs.{verb}")
    parser = argparse.ArgumentParser(prog=f"main.py {verb}", description=f"{VERBS[verb][0].upper()}{VERBS[verb][1:]}.")
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON lines only; everything else goes to stderr")
    try:
        args = parser.parse_args(arguments)
    except SystemExit as leaving:  # argparse has said what is wrong
        return DONE if not leaving.code else WRONG_USAGE
    output.as_json = args.json
    try:
        return int(module.run(args, output))
    except Refused as reason:
        output.note(str(reason))
        return REFUSED
    except WrongUsage as reason:
        output.note(str(reason))
        return WRONG_USAGE
    except KeyboardInterrupt:
        return DONE
    except Exception as fault:
        if os.environ.get("SENSIX_DEBUG"):
            raise
        output.note(
            f"This should not have happened ({type(fault).__name__}: {fault}). "
            "Please report it; SENSIX_DEBUG=1 shows where it happened."
        )
        return REFUSED


def _use_streams() -> None:
    """UTF-8 everywhere. A stream that was closed before the start is one that nobody reads."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (as long as the process)
        stream = getattr(sys, name)
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def _overview() -> str:
    lines = ["Sensix: power quality from meter to map.", "", "python main.py [VERB] [options]; without a verb: gui", ""]
    lines += [f"  {verb:<10} {text}" for verb, text in VERBS.items()]
    return "\n".join([*lines, "", "python main.py VERB --help tells a verb's options."])
