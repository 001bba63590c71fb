"""A virtual module's way to a broker in real time: readings, burst mode, requests, waveforms on demand."""

from __future__ import annotations

import math
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from device_io.mqtt.burst import BURST_INTERVAL_S, BURST_S
from device_io.mqtt.connection import BrokerConnection, UnclearEnd
from device_io.mqtt.module_url import module_url
from device_io.mqtt.payload import encode_payload
from device_io.mqtt.published_firmware import imitate
from device_io.mqtt.topics import Topics, split_request, topics_of
from device_io.sensix_link.messages import Kind, Message
from device_io.sensix_link.samples import encode_samples
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl
from device_io.virtual_module.faults import NO_FAULTS, Faults
from device_io.virtual_module.module import SLOT_S, VirtualModule
from device_io.virtual_module.wifi_sessions import Sessions
from resources.settings import link_settings

FIRST_READINGS_S = 0.5
"""A module publishes so soon after it has come to the broker."""
MAX_LAG_S = 2.0
"""A computer that is late by more skips the samples in between; they count as left out."""


class WifiPort:
    """Serves one module through a broker until stopped, over every restart of the broker.

    url: of a broker, or of the module behind it; token and EUI are taken from the module where it names none. password:
    of the user in the URL. published_firmware: imitate the published firmware: its faults, readings only. Faults:
    unplug cuts the connection, stall keeps silent, drop loses messages, corrupt flips bits of readings and samples.
    Settings written over any port count; one that would lead the module away from this broker makes it vanish from here
    until the change is undone.
    """

    def __init__(
        self,
        module: VirtualModule,
        url: MqttUrl,
        faults: Faults = NO_FAULTS,
        *,
        password: str | None = None,
        published_firmware: bool = False,
    ) -> None:
        token = url.token or str(module.settings["mqtt_token"])
        eui = url.eui or str(module.info.eui)
        self._url = replace(url, token=token, eui=eui)
        module.settings.restore(
            {"mqtt_host": url.host, "mqtt_port": url.port, "mqtt_token": token, "mqtt_user": url.user or ""}
        )
        self._connection = BrokerConnection(url, lambda: password, tick_s=SLOT_S)
        self._runner = _Runner(module, topics_of(token, eui), self._connection, faults, published_firmware)

    def start(self) -> str:
        """Begin to connect; returns at once, with the URL of the module."""
        self._connection.attach(self._runner)
        return module_url(self._url)

    def wait(self, timeout_s: float = 25.0, stopped: Callable[[], bool] = lambda: False) -> LinkError | None:
        """Wait until the module is at the broker, or an attempt has failed: why, None if it is there.

        stopped: asked ten times a second; once it says so, nothing is waited for."""
        until_s = time.monotonic() + timeout_s
        while not self._runner.settled.wait(0.1) and time.monotonic() < until_s and not stopped():
            pass
        return self._runner.error

    def stop(self) -> None:
        """Leave the broker for good, within 2 s. May be called twice."""
        self._runner.over = True
        self._connection.detach(self._runner)


class _Runner:
    """A `device_io.mqtt.connection.Client`. Times are seconds since the module's start."""

    def __init__(
        self,
        module: VirtualModule,
        topics: Topics,
        connection: BrokerConnection,
        faults: Faults,
        published_firmware: bool,
    ) -> None:
        self._module = module
        self._topics = topics
        self._connection = connection
        self._faults = faults
        self._published = published_firmware
        self._rng = np.random.default_rng([0, zlib.crc32(b"wifi")])
        self._sessions = Sessions(module, self._reply)
        self._way = {key: module.settings.secret(key) for key in link_settings("wifi")}
        self._up = False
        self._due_s = self._burst_until_s = -math.inf
        self._slot = 0
        self._left_out = 0
        self.over = False
        self.error: LinkError | None = None
        self.settled = threading.Event()

    @property
    def topics(self) -> tuple[str, ...]:
        """As of `Client`."""
        return (self._topics.config,) if self._published else (self._topics.config, self._topics.to)

    def on_up(self, _connection: BrokerConnection) -> None:
        """As of `Client`."""
        self._up = True
        self._due_s = self._module.now_s() + FIRST_READINGS_S
        self._sessions.clear()

    def on_subscribed(self, refused: tuple[str, ...]) -> None:
        """As of `Client`."""
        words = (
            "The broker does not allow this user to use {}. Check user, token and EUI, and the rights on the broker."
        )
        self.error = LinkError(LinkErrorKind.TOPIC_REFUSED, words.format(refused[0])) if refused else None
        self.settled.set()

    def on_kept(self, _topic: str) -> None:
        """As of `Client`."""

    def on_down(self, error: LinkError) -> None:
        """As of `Client`."""
        self._up = False
        if isinstance(error, UnclearEnd):
            return  # it is tried again until it is clear why
        self.error = error
        self.settled.set()

    def on_message(self, topic: str, payload: bytes, _host_time_ns: int) -> None:
        """As of `Client`."""
        now = self._module.now_s()
        if any(stall.holds(now) for stall in self._faults.stall):
            return
        if topic == self._topics.config:
            self._toggle_burst(now)
        elif (request := split_request(payload)) is not None:
            self._sessions.take(*request, now)

    def on_tick(self) -> None:
        """As of `Client`."""
        self._module.settings.tick()
        now = self._module.now_s()
        # The answer to what leads it away goes out first.
        led_away = self._is_misled() and self._connection.has_sent_all
        away = any(unplug.holds(now) for unplug in self._faults.unplug) or led_away
        self._connection.hold(away)
        if away or not self._up:
            self._up = self._up and not away
            self._slot = self._module.slot_at(now)
            return
        self._sessions.tick(now)
        stalled = any(stall.holds(now) for stall in self._faults.stall)
        if now >= self._due_s:
            self._due_s = max(self._due_s + self._interval_s(now), now)
            if not stalled:
                self._publish(self._topics.readings, self._payload())
        self._stream(now, sending=not stalled)

    def _is_misled(self) -> bool:
        return any(self._module.settings.secret(key) != value for key, value in self._way.items())

    def _toggle_burst(self, now: float) -> None:
        self._burst_until_s = -math.inf if now < self._burst_until_s else now + BURST_S
        self._due_s = min(self._due_s, now + self._interval_s(now))

    def _interval_s(self, now: float) -> float:
        period = self._module.settings["mqtt_period_s"]
        period_s = float(period) if isinstance(period, (int, float)) else 2.0
        return min(period_s, BURST_INTERVAL_S) if now < self._burst_until_s else period_s

    def _payload(self) -> bytes:
        values = self._module.readings()
        if self._published:
            return imitate(values)
        return encode_payload(values, fine=bool(self._module.settings["mqtt_fine_percent"]))

    def _stream(self, now: float, *, sending: bool) -> None:
        chips = self._sessions.chips
        due = self._module.slot_at(now)
        if not chips:
            self._slot = due
            return
        late = due - self._slot - round(MAX_LAG_S / SLOT_S)
        if late > 0:
            self._left_out += late * chips.bit_count()
            self._slot += late
        for slot in range(self._slot, due):
            for block in self._module.blocks(slot):
                if not chips >> block.chip & 1:
                    continue
                payload = encode_samples(
                    block.chip,
                    block.first_index,
                    block.device_time_us,
                    self._left_out,
                    block.counts,
                    self._sessions.coding,
                )
                if not sending or not self._publish(self._topics.samples, bytes([Kind.SAMPLES]) + payload):
                    self._left_out += 1
        self._slot = due

    def _publish(self, topic: str, payload: bytes) -> bool:
        """Send; False when there is no room. What the faults lose has left."""
        if self._faults.drop and self._rng.random() < self._faults.drop:
            return True
        return self._connection.publish(topic, self._corrupted(payload))

    def _corrupted(self, payload: bytes) -> bytes:
        if not self._faults.corrupt:
            return payload
        data = np.frombuffer(payload, np.uint8)
        hit = self._rng.random(len(data)) < self._faults.corrupt
        return np.where(hit, data ^ (1 << self._rng.integers(0, 8, len(data))).astype(np.uint8), data).tobytes()

    def _reply(self, tag: str, message: Message) -> None:
        self._connection.publish(self._topics.replies(tag), bytes([message.kind]) + message.pack())
