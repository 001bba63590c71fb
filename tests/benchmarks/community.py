"""Community upload: a month of backlog to a broker on this computer

4464 intervals of 10 minutes wait in an outbox on the disk; a sender empties it over TLS to mosquitto, a connection a
day, one message after the other, each checked and its acknowledgement written down before the next. The peer is paho
that publishes the same bytes with QoS 1 over one connection to the same broker, waiting for each acknowledgement before
the next. Both run in turn, seven times; medians, and of the ratios that of each turn.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from app.community.broker import Broker, parse_broker
from app.community.outbox import Outbox
from app.community.sender import Sender, SenderPhase
from tests.fakes.certificates import make_ca
from tests.fakes.community import INTERVAL_S, interval, last_end_s
from tests.fakes.mosquitto import Mosquitto

INTERVALS = 31 * 144
RUNS = 7
LEAST_RATIO = 0.5
_WITHIN_S = 300.0


def run() -> list[dict[str, object]]:
    """Rows of the report."""
    ours, peers = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = make_ca(folder)
        with Mosquitto(folder, tls=authority) as mosquitto:
            broker = parse_broker(f"{mosquitto.url}?ca={authority.cert}", accepts_backdated=True)
            messages = _fill(folder / "filled")
            for number in range(RUNS):
                shutil.copytree(folder / "filled", folder / f"outbox-{number}")
                peers.append(INTERVALS / _publish(broker, messages))
                ours.append(INTERVALS / _drain(folder / f"outbox-{number}", broker))
    rate, peer = statistics.median(ours), statistics.median(peers)
    ratio = statistics.median(one / other for one, other in zip(ours, peers, strict=True))
    return [
        {
            "what": f"draining {INTERVALS} intervals, QoS 1 over TLS, from disk to the last acknowledgement",
            "ours": f"{rate:.0f} a second ({INTERVALS / rate:.1f} s)",
            "peer": f"paho, one by one: {peer:.0f} a second",
            "ratio": f"{ratio:.2f}",
            "limit": f">= {LEAST_RATIO}",
            "holds": ratio >= LEAST_RATIO,
        }
    ]


def _fill(folder: Path) -> list[tuple[str, bytes]]:
    """A month in a new outbox; its messages."""
    end_s = last_end_s() - INTERVAL_S * INTERVALS
    with Outbox(folder) as outbox:
        for number in range(INTERVALS):
            assert outbox.put(interval(end_s + number * INTERVAL_S, number), "u82f")
        waiting = outbox.next(INTERVALS, backdated=True, at_once=True)
    assert len(waiting) == INTERVALS
    return [(message.topic, message.payload) for message in waiting]


def _drain(folder: Path, broker: Broker) -> float:
    """Seconds until all is acknowledged."""
    began_s = time.perf_counter()
    sender = Sender(folder, broker, None, None, until_empty=True)
    sender.start()
    assert sender.wait(_WITHIN_S)
    took_s = time.perf_counter() - began_s
    assert sender.state.phase is SenderPhase.DONE, sender.state.error
    assert sender.state.progress.acknowledged == INTERVALS
    return took_s


def _publish(broker: Broker, messages: Sequence[tuple[str, bytes]]) -> float:
    """Seconds that paho needs for the same messages."""
    began_s = time.perf_counter()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.tls_set(str(broker.ca[0]))
    client.connect(broker.host, broker.port)
    client.loop_start()
    for topic, payload in messages:
        client.publish(topic, payload, qos=1).wait_for_publish(20.0)
    took_s = time.perf_counter() - began_s
    client.disconnect()
    client.loop_stop()
    return took_s
