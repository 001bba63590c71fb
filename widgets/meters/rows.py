"""What the meter panel shows: rows of the table and the large numbers, by key of the parameter table. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resources.parameters import parameter
from widgets import numbers

COLUMNS = ("L1", "L2", "L3", "N", "Total")

KILO_FROM = 100_000.0
"""A row of powers or energies turns to kW from here up, so that its digits fit the column."""


@dataclass(frozen=True)
class Row:
    """A line of the table. keys: {column: key of the parameter table}; a column that is missing stays empty.

    kilo: the unit may turn to kW, kvar, kVA, kWh. base: shown before any row that is not; among the base rows the
    one with the highest `drop_order` goes first where height is short.
    """

    name: str
    keys: Mapping[str, str]
    kilo: bool = False
    base: bool = True
    drop_order: int = 0
    hint: str = ""


def _phases(pattern: str, **more: str) -> dict[str, str]:
    return {f"L{phase}": pattern.format(phase) for phase in (1, 2, 3)} | more


ROWS = (
    Row("Voltage", _phases("V{}r")),
    Row("Current", _phases("I{}r", N="INr")),
    Row("Active power", _phases("P{}", Total="Pc"), kilo=True),
    Row("Reactive power", _phases("fSP{}", Total="fSPc"), kilo=True),
    Row("Apparent power", _phases("SP{}", Total="SPc"), kilo=True),
    Row("Power factor", _phases("PF{}i", Total="PFc")),
    Row("Displacement PF", _phases("dPF{}"), drop_order=3),
    Row("THD voltage", _phases("THV{}"), drop_order=1),
    Row("THD current", _phases("THI{}", N="THIN"), drop_order=2),
    Row(
        "V12, V23, V31",
        {"L1": "V12r", "L2": "V23r", "L3": "V31r"},
        base=False,
        hint="Line-to-line voltages: L1 to L2, L2 to L3, L3 to L1",
    ),
    Row("Energy import", _phases("EP{}+", Total="EPc+"), kilo=True, base=False),
    Row("Energy export", _phases("EP{}-", Total="EPc-"), kilo=True, base=False),
)


@dataclass(frozen=True)
class Kpi:
    """A large number. decimals: as shown (with kilo, those below a thousand)."""

    name: str
    key: str
    decimals: int
    kilo: bool = False


def kpis(channels: Sequence[str]) -> tuple[Kpi, ...]:
    """The four large numbers of a wiring system. One phase has no unbalance: THD stands in its place."""
    three_phase = "V2" in channels
    return (
        Kpi("Active power", "Pc" if three_phase else "P1", 0, kilo=True),
        Kpi("Frequency", "Fqai", 3),
        Kpi("Unbalance u₂", "u2", 2) if three_phase else Kpi("THD voltage", "THV1", 2),
        Kpi("Power factor", "PFc" if three_phase else "PF1i", 2),
    )


def columns(channels: Sequence[str]) -> tuple[str, ...]:
    """Columns of a wiring system: those of its phases, the neutral where it is measured, a total of three phases."""
    phases = [f"L{phase}" for phase in (1, 2, 3) if f"V{phase}" in channels or f"I{phase}" in channels]
    neutral = ["N"] if "IN" in channels else []
    return (*phases, *neutral, *(["Total"] if len(phases) > 1 else []))


def rows_that_exist(shown: Sequence[str]) -> tuple[Row, ...]:
    """Rows with at least one cell in the shown columns. Line-to-line voltages need two phases."""
    return tuple(
        row
        for row in ROWS
        if any(column in row.keys for column in shown) and ("L2" in shown or "V12r" not in row.keys.values())
    )


def rows_that_fit(rows: Sequence[Row], height: float, tight: float, roomy: float) -> tuple[Row, ...]:
    """The rows to draw in `height`: base rows at least `tight` high each, others only where all stay `roomy`."""
    base = [row for row in rows if row.base]
    while len(base) > 1 and len(base) * tight > height:
        droppable = max(base, key=lambda row: row.drop_order)
        base.remove(droppable if droppable.drop_order else base[-1])
    extra = [row for row in rows if not row.base]
    complete = len(base) == sum(row.base for row in rows)
    fit = max(0, int(height // roomy) - len(base)) if complete else 0
    kept = {row.name for row in [*base, *extra[:fit]]}
    return tuple(row for row in rows if row.name in kept)


@dataclass(frozen=True)
class RowText:
    """A row as text. cells: {column: text}; a column that does not exist is missing."""

    name: str
    cells: Mapping[str, str]
    unit: str


def row_text(row: Row, shown: Sequence[str], values: Mapping[str, float | None]) -> RowText:
    """Texts of a row: "n/a" where a value is not measurable. The whole row has one unit."""
    keys = {column: row.keys[column] for column in shown if column in row.keys}
    first = parameter(next(iter(keys.values())))
    measured = [abs(value) for key in keys.values() if numbers.is_measured(value := values.get(key))]
    if row.kilo and measured and round(max(measured), first.decimals) >= KILO_FROM:
        cells = {column: numbers.fixed(_kilo(values.get(key)), 2) for column, key in keys.items()}
        return RowText(row.name, cells, f"k{first.unit}")
    cells = {column: numbers.fixed(values.get(key), parameter(key).decimals) for column, key in keys.items()}
    return RowText(row.name, cells, first.unit)


def kpi_text(kpi: Kpi, values: Mapping[str, float | None]) -> tuple[str, str]:
    """(number, unit) of a large number."""
    unit = parameter(kpi.key).unit
    value = values.get(kpi.key)
    if kpi.kilo:
        return numbers.kilo(value, unit, decimals=kpi.decimals)
    return numbers.fixed(value, kpi.decimals), unit


def text_table(channels: Sequence[str], values: Mapping[str, float | None]) -> str:
    """Everything as text: columns parted by tabs, for a spreadsheet or a mail."""
    shown = columns(channels)
    lines = ["\t".join((kpi.name, *filter(None, kpi_text(kpi, values)))) for kpi in kpis(channels)]
    lines += ["", "\t".join(("Quantity", *shown, "Unit"))]
    for row in rows_that_exist(shown):
        text = row_text(row, shown, values)
        lines.append("\t".join((text.name, *(text.cells.get(column, "") for column in shown), text.unit)))
    return "\n".join(lines) + "\n"


def _kilo(value: float | None) -> float | None:
    return None if value is None else value / 1000.0
