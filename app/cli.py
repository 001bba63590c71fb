"""The command line: picks the verb, keeps its promises (exit codes, clean end, no traceback)."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from app.output import Output, Refused, WrongUsage
from app.stopping import Stop, discard_stdout

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
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    _use_utf8()
    # The matrices of a window are small: threads of the linear algebra would spin longer than they work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = list(arguments)
    if not arguments:
        arguments = ["gui"]
    verb = arguments.pop(0)
    if verb in ("-h", "--help"):
        print(_overview())
        return DONE
    if verb not in VERBS:
        print(f'"{verb}" is no verb of this program. Use one of: {", ".join(VERBS)}.', file=sys.stderr)
        return WRONG_USAGE
    return _run(verb, arguments)


def _run(verb: str, arguments: list[str]) -> int:
    module = importlib.import_module(f"app.verbs.{verb}")
    parser = argparse.ArgumentParser(prog=f"main.py {verb}", description=f"{VERBS[verb][0].upper()}{VERBS[verb][1:]}.")
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON lines only; everything else goes to stderr")
    try:
        args = parser.parse_args(arguments)
    except SystemExit as leaving:  # argparse has said what is wrong
        return DONE if not leaving.code else WRONG_USAGE
    stop = Stop()
    stop.install()
    output = Output(as_json=args.json, stop=stop)
    try:
        code = int(module.run(args, output))
    except Refused as reason:
        output.note(str(reason))
        code = REFUSED
    except WrongUsage as reason:
        output.note(str(reason))
        code = WRONG_USAGE
    except KeyboardInterrupt:
        code = DONE
    except Exception as fault:
        if os.environ.get("SENSIX_DEBUG"):
            raise
        output.note(
            f"This should not have happened ({type(fault).__name__}: {fault}). "
            "Please report it; SENSIX_DEBUG=1 shows where it happened."
        )
        code = REFUSED
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        discard_stdout()
    return code


def _use_utf8() -> None:
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def _overview() -> str:
    lines = ["Sensix: power quality from meter to map.", "", "python main.py [VERB] [options]; without a verb: gui", ""]
    lines += [f"  {verb:<10} {text}" for verb, text in VERBS.items()]
    return "\n".join([*lines, "", "python main.py VERB --help tells a verb's options."])
