"""WiFi link: decoding the published payload, and 200 modules behind one broker

The broker is mosquitto with TLS on this computer. Another process publishes 706 bytes for each of 200 modules every
2 s; ours has a link to each. Its CPU time is taken over 20 s, after all links have been greeted.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from device_io.mqtt.payload import PAYLOAD_BYTES, decode_payload, encode_payload
from device_io.mqtt.wifi_link import WifiLink
from tests.fakes.certificates import make_ca
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.mqtt_publisher import sound_values
from tests.fakes.recording_sink import RecordingSink

DECODES = 20_000
RUNS = 5
MODULES = 200
EVERY_S = 2.0
SECONDS = 20.0

PUBLISHER = """
import sys, time
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
port, ca, every_s, payload, euis = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4], sys.argv[5:]
client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
client.tls_set(ca_certs=ca)
client.connect("localhost", port)
client.loop_start()
due_s = time.monotonic()
while True:
    for eui in euis:
        client.publish(f"v1/home/devices/{eui}/0/bin", bytes.fromhex(payload))
        due_s += every_s / len(euis)
        time.sleep(max(0.0, due_s - time.monotonic()))
"""


def run() -> list[dict[str, object]]:
    """Rows of the report."""
    per_s = max(_decodes_per_s() for _ in range(RUNS))
    share, messages = _share_of_a_core()
    expected = MODULES / EVERY_S
    return [
        {
            "what": f"payload of {PAYLOAD_BYTES} bytes to 295 values, best of {RUNS}",
            "ours": f"{per_s:.0f} a second",
            "peer": "20000",
            "ratio": f"{per_s / 20_000:.2f}",
            "limit": ">= 1",
            "holds": per_s >= 20_000,
        },
        {
            "what": f"{MODULES} links, {messages:.0f} messages a second: CPU time of our process",
            "ours": f"{100 * share:.1f} % of a core",
            "peer": f"{expected:.0f} messages a second sent",
            "ratio": f"{messages / expected:.2f}",
            "limit": "< 10 %, all messages",
            "holds": share < 0.10 and messages > 0.97 * expected,
        },
    ]


def _decodes_per_s() -> float:
    payloads = [encode_payload(sound_values(u_v=random.uniform(220, 240))) for _ in range(100)]
    began_s = time.perf_counter()
    for _ in range(DECODES // len(payloads)):
        for payload in payloads:
            decode_payload(payload)
    return DECODES / (time.perf_counter() - began_s)


def _share_of_a_core() -> tuple[float, float]:
    """(CPU seconds a second, messages a second) of links to all modules."""
    euis = [f"0253454E{n:08X}" for n in range(MODULES)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Mosquitto(folder, tls=make_ca(folder)) as broker:
            payload = encode_payload(sound_values()).hex()
            arguments = [str(broker.port), str(broker.ca), str(EVERY_S), payload, *euis]
            publisher = subprocess.Popen([sys.executable, "-c", PUBLISHER, *arguments])
            sinks = [RecordingSink() for _ in euis]
            links = [WifiLink(f"{broker.url}/home/{eui}?ca={broker.ca}", silent_s=60.0) for eui in euis]
            try:
                for link, sink in zip(links, sinks, strict=True):
                    link.start(sink)
                for sink in sinks:
                    sink.wait_for(lambda sink=sink: len(sink.readings) >= 1, 30.0)
                began_s, cpu_s = time.monotonic(), time.process_time()
                before = sum(len(sink.readings) for sink in sinks)
                time.sleep(SECONDS)
                seconds = time.monotonic() - began_s
                share = (time.process_time() - cpu_s) / seconds
                messages = (sum(len(sink.readings) for sink in sinks) - before) / seconds
            finally:
                publisher.terminate()
                publisher.wait(5.0)
                for link in links:
                    link.stop()
    return share, messages
