"""The one contract for every source of measurements: a live link, a file, the virtual module.

A source tells its identity (`ModuleInfo`) and delivers `SampleBlock` and `Readings` to a `Sink`, with the state of
its link. Nothing here opens or starts anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from resources.systems import WiringSystem


class ResponseSection(NamedTuple):
    """One section of the front end's analog frequency response, with x = f / corner_hz.

    kind "highpass1": jx / (1 + jx)
    kind "lowpass1":  1 / (1 + jx)
    kind "lowpass2":  1 / (1 - x^2 + jx / q)
    kind "delay":     exp(-j 2 pi f delay_us 1e-6)
    """

    kind: str
    corner_hz: float = 0.0
    q: float = 0.0
    delay_us: float = 0.0


class ChannelInfo(NamedTuple):
    """One input of a front-end chip.

    key: channel name: V1 V2 V3 I1 I2 I3 IN.
    unit: "V" or "A".
    unit_per_count: volts or amperes at the module's terminals per count of the 24-bit sample, in the pass band.
    full_scale: largest magnitude (peak, in `unit`) the input can represent.
    response: sections whose product is the response from terminals to counts; empty means flat.
    """

    key: str
    unit: str
    unit_per_count: float
    full_scale: float
    response: tuple[ResponseSection, ...] = ()


class ChipInfo(NamedTuple):
    """One front-end chip with a crystal of its own. `shift`: bits dropped from the chip's register to make 24."""

    nominal_rate_hz: float
    channels: tuple[ChannelInfo, ...]
    shift: int = 4


class ModuleInfo(NamedTuple):
    """Identity of a module. `eui`: 16 upper-case hex digits, None for a file. `boot_id` changes with every restart:
    sample indices and the module's clock begin anew. `capabilities`: some of `CAPABILITIES`. `chips`: empty where the
    sender does not describe its inputs and gives readings only."""

    eui: str | None
    type: str
    system: WiringSystem
    firmware: str
    chips: tuple[ChipInfo, ...]
    capabilities: frozenset[str] = frozenset()
    boot_id: int = 0
    name: str = ""
    calibrated: str | None = None

    @property
    def channels(self) -> tuple[ChannelInfo, ...]:
        """All channels, chip after chip."""
        return tuple(channel for chip in self.chips for channel in chip.channels)


CAPABILITIES = frozenset({"waveform-stream", "waveform-snapshot", "readings", "settings", "flash"})


class SampleBlock(NamedTuple):
    """Consecutive samples of one chip.

    counts: int32 [n, channels of the chip]; first_index: index of its first sample since the module started;
    rate_hz: the chip's nominal rate; device_time_us: first sample on the module's one clock;
    host_time_ns: UTC (time.time_ns) when the block arrived.
    A jump of first_index past the end of the block before is a gap.
    """

    chip: int
    first_index: int
    rate_hz: float
    counts: NDArray[np.int32]
    device_time_us: int
    host_time_ns: int


class Readings(NamedTuple):
    """Values that the module computed itself: {key of the table: value in the table's unit, None where unknown}.

    device_time_us: end of the interval on the module's clock, None where it does not tell. flags: some of
    `dsp.measurement.FLAGS`. corrected: values for which a known fault of the sender is undone with certainty.
    """

    device_time_us: int | None
    host_time_ns: int
    values: Mapping[str, float | None]
    flags: tuple[str, ...] = ()
    corrected: Mapping[str, float] = MappingProxyType({})


class LinkPhase(StrEnum):
    """Where a link stands."""

    CLOSED = "closed"
    OPENING = "opening"
    CONNECTED = "connected"
    STREAMING = "streaming"
    LOST = "lost"  # it will be tried again by itself
    FAILED = "failed"  # a person has to do something


class LinkCounters(NamedTuple):
    """What happened on the line since it was opened; all of them only grow."""

    bytes_received: int = 0
    frames_good: int = 0
    frames_damaged: int = 0
    blocks: int = 0
    blocks_repeated: int = 0
    blocks_left_out: int = 0  # the module's own count of blocks the line could not carry
    samples_missing: int = 0
    text_bytes: int = 0
    reconnects: int = 0


class ClockReport(NamedTuple):
    """What a module says of its clock: at device_time_us it was utc_us (since 1970), give or take uncertainty_us."""

    device_time_us: int
    utc_us: int
    uncertainty_us: float


class LinkState(NamedTuple):
    """State of a link. `error` says in one sentence what is wrong and what to do; None when nothing is. `clock`: the
    module's last report, None where it makes none."""

    phase: LinkPhase
    url: str
    error: LinkError | None = None
    baud: int | None = None
    counters: LinkCounters = LinkCounters()
    clock: ClockReport | None = None


class LinkErrorKind(StrEnum):
    """Why a link failed, for code; the sentence for people is the error's text."""

    NO_SUCH_PORT = "no-such-port"
    PORT_BUSY = "port-busy"
    NO_PERMISSION = "no-permission"
    SILENT = "silent"
    NOT_A_MODULE = "not-a-module"
    NEWER_PROTOCOL = "newer-protocol"
    UNPLUGGED = "unplugged"
    STALLED = "stalled"
    REFUSED = "refused"
    BAD_URL = "bad-url"
    NO_SUCH_HOST = "no-such-host"
    NO_CONNECTION = "no-connection"
    NOT_TLS = "not-tls"
    WRONG_HOST_NAME = "wrong-host-name"
    UNKNOWN_CA = "unknown-ca"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CLIENT_CERTIFICATE = "client-certificate"
    LOGIN_REFUSED = "login-refused"
    TOPIC_REFUSED = "topic-refused"
    DAMAGED_REPLIES = "damaged-replies"


class LinkError(Exception):
    """One clear sentence that says what is wrong and what to do."""

    def __init__(self, kind: LinkErrorKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Sink(Protocol):
    """Where a source delivers; called on the source's own thread, so it must return quickly and never block."""

    def on_identity(self, info: ModuleInfo) -> None:
        """The module told who it is: once after every (re)connection, before its samples."""

    def on_blocks(self, blocks: list[SampleBlock]) -> None:
        """Sample blocks in order of arrival; those of one chip never overlap or go back."""

    def on_readings(self, readings: Readings) -> None:
        """The module's own readings."""

    def on_state(self, state: LinkState) -> None:
        """The link's state changed, or its counters did (at most twice a second)."""

    def on_text(self, line: str) -> None:
        """A line of log text that the module printed between frames."""


class Source(Protocol):
    """A running or finished delivery of measurements."""

    def start(self, sink: Sink) -> None:
        """Begin to deliver. Returns at once; failures arrive as a state."""

    def stop(self) -> None:
        """End within 2 s. Nothing is delivered after it returns. May be called twice."""


Setting = str | int | float | bool | None
"""Value of a module's setting (`resources.settings`)."""


class ModuleLink(Source, Protocol):
    """A source that is a module: what can be asked of it beside its stream, by the capabilities in its identity.

    Jobs are done by the link's own thread, in order. They wait while the link is opening and fail with its LinkError
    when it fails, or with REFUSED where the link can't do them.
    """

    def read_settings(self) -> Future[Mapping[str, Setting]]:
        """All settings of the module."""

    def write_settings(self, values: Mapping[str, Setting]) -> Future[Mapping[str, Setting]]:
        """Change settings, all or none; the result is all settings as they then stand."""

    def read_readings(self) -> Future[Readings]:
        """The module's own readings, now."""
