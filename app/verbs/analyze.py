"""analyze: measure a COMTRADE record with the same engine as a live module."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator
from typing import Any

from app.declared_voltage import USUAL_V, assumed_voltage_v
from app.event_json import event_to_json, event_to_text
from app.measurement_json import to_json, to_text
from app.measuring_options import INTERVALS, add_measuring_options, check_nominal_voltage, measuring_options
from app.output import Output, Refused, WrongUsage
from app.specs import chip_specs
from app.stated_frequency import stated_frequency_hz
from device_io.comtrade import ComtradeRecord, FileError, ReadingStopped, open_comtrade
from dsp.measurement import Measurement
from dsp.monitor import Monitor, Result
from resources.systems import SYSTEMS

RATES_HZ = (200.0, 2e6)
"""Sample rates that can be measured: below, a cycle has too few samples for any value."""

_BLOCK_S = 3.2
"""Sixteen windows: the engine measures so many in one go."""
_BLOCK_SAMPLES = (1024, 65536)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("file", metavar="FILE", help="a COMTRADE record: its .cfg, .dat or .cff file")
    parser.add_argument(
        "--nominal-voltage", type=float, help="declared voltage in V (default: 230; 120 or another where it is plain)"
    )
    add_measuring_options(parser)
    parser.add_argument("--system", choices=SYSTEMS, help="wiring system (default: what the channels make up)")
    parser.add_argument(
        "--channels",
        metavar="V1=NAME,...",
        help="which channel (name or number) is V1, V2, V3, I1, I2, I3 or IN, where it is not recognised",
    )


def run(args: argparse.Namespace, output: Output) -> int:
    """Print the measurements and events of the record."""
    check_nominal_voltage(args.nominal_voltage)
    options = measuring_options(args)
    mapping = parse_channels(args.channels) if args.channels is not None else None
    try:
        with open_comtrade(args.file, mapping, system=args.system, stopped=output.stop.is_set) as record:
            output.note(describe(record))
            for note in record.notes:
                output.note(note)
            _print_measurements(record, args.nominal_voltage, options, output)
    except ReadingStopped:
        return 0
    except FileError as wrong:
        raise Refused(str(wrong)) from None
    return 0


def _print_measurements(
    record: ComtradeRecord, nominal_voltage_v: float | None, options: dict[str, Any], output: Output
) -> None:
    if nominal_voltage_v is None:
        nominal_voltage_v = assumed_voltage_v(record)
        if nominal_voltage_v != USUAL_V[0]:
            output.note(f"Events refer to {nominal_voltage_v:.0f} V; --nominal-voltage sets another declared voltage.")
    printed = 0
    for result in analyze_record(record, nominal_voltage_v=nominal_voltage_v, **options):
        if output.stop.is_set():
            return
        if isinstance(result, Measurement):
            output.result(to_json(result), to_text(result))
            printed += 1
        else:
            output.result(event_to_json(result), event_to_text(result))
    if not printed and not output.stop.is_set():
        raise Refused("Nothing in the record can be measured: samples are missing everywhere in one of its channels.")


def analyze_record(
    record: ComtradeRecord, *, every: Collection[str] = INTERVALS["window"], events: bool = False, **options: Any
) -> Iterator[Result]:
    """The measurements of the intervals `every` (of dsp.measurement.WINDOWS) and the events of a record, oldest
    first; at most 3.2 s of samples (or 1024) are read ahead. options: further ones of dsp.monitor.Monitor; without
    nominal_frequency_hz, what the record states counts where the frequency leaves it open.
    FileError for a sample rate with which nothing can be measured."""
    slowest_hz, fastest_hz = RATES_HZ
    if not slowest_hz <= record.rate_hz <= fastest_hz:
        raise FileError(
            f"The record has {record.rate_hz:g} samples a second; {slowest_hz:g} to {fastest_hz:g} can be measured."
        )
    info = record.info
    if options.get("nominal_frequency_hz") is None:
        options["nominal_frequency_hz"] = stated_frequency_hz(record)
    monitor = Monitor(info.system, chip_specs(info, exact=True), every=every, events=events, **options)
    least, most = _BLOCK_SAMPLES
    for first_index, samples in record.blocks(min(max(int(_BLOCK_S * record.rate_hz), least), most)):
        since_start_s = first_index / record.rate_hz
        monitor.push(0, first_index, samples, since_start_s * 1e6, record.start_utc_ns + round(since_start_s * 1e9))
        yield from monitor.pull()
    yield from monitor.finish()


def parse_channels(text: str) -> dict[str, str]:
    """{"V1": "NAME", ...} from "V1=NAME,V2=NAME". WrongUsage for anything else."""
    mapping: dict[str, str] = {}
    for part in text.split(","):
        key, equals, name = part.partition("=")
        key = key.strip().upper()
        if not (key and equals and name.strip()):
            raise WrongUsage(f'--channels needs V1=NAME,V2=NAME and so on; "{part.strip()}" is not of that form.')
        if key in mapping:
            raise WrongUsage(f"--channels names {key} twice.")
        mapping[key] = name.strip()
    return mapping


def describe(record: ComtradeRecord) -> str:
    """One line on what is measured."""
    channels = ", ".join(f"{key} = {channel.name or channel.number}" for key, channel in record.assigned.items())
    seconds = record.samples / record.rate_hz
    name = record.station or record.path.name
    return f"{name}: {seconds:.3f} s at {record.rate_hz:.6g} Hz, {record.system}; {channels}."
