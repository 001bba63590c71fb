"""Golden frames: made once by a bitwise CRC and byte-by-byte rules of the document, checked here in both directions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_io.sensix_link import messages
from device_io.sensix_link.framing import Deframer, encode_frame
from device_io.sensix_link.samples import Coding, SampleDecoder, encode_samples

GOLDEN = {path.stem: json.loads(path.read_text("utf-8")) for path in (Path(__file__).parent / "golden").glob("*.json")}
STREAMS = sorted(name for name in GOLDEN if name.startswith("stream_") and "stream" in GOLDEN[name])
SAMPLES = sorted(name for name in GOLDEN if GOLDEN[name].get("message") == "samples")
MESSAGES = sorted(set(GOLDEN) - set(STREAMS) - set(SAMPLES))


def fields_of(golden: dict[str, Any]) -> dict[str, Any]:
    """Fields of the message; `data` stands there as hex."""
    return {name: bytes.fromhex(value) if name == "data" else value for name, value in golden["fields"].items()}


def test_every_message_has_a_golden_frame() -> None:
    named = {GOLDEN[name]["message"] for name in MESSAGES}
    assert named | {"IdentityReply"} == {message.__name__ for message in messages.MESSAGES.values()}


@pytest.mark.parametrize("name", MESSAGES + SAMPLES)
def test_frame(name: str) -> None:
    golden = GOLDEN[name]
    frame, payload = bytes.fromhex(golden["frame"]), bytes.fromhex(golden["payload"])
    assert encode_frame(golden["kind"], payload) == frame
    assert Deframer().feed(frame) == [(golden["kind"], payload)]


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name: str) -> None:
    golden = GOLDEN[name]
    payload = bytes.fromhex(golden["payload"])
    message = getattr(messages, golden["message"])(**fields_of(golden))
    assert message.pack() == payload
    assert messages.parse_message(golden["kind"], payload) == message


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name: str) -> None:
    golden = GOLDEN[name]
    payload, fields = bytes.fromhex(golden["payload"]), golden["fields"]
    counts = np.array(fields["counts"], np.int32)
    chip, index, time_us = fields["chip"], fields["first_index"], fields["device_time_us"]
    assert encode_samples(chip, index, time_us, fields["left_out"], counts, Coding(fields["coding"])) == payload
    decoder = SampleDecoder({chip: 4000.0}, {chip: counts.shape[1]})
    (block,) = decoder.decode([payload], 5)
    assert block.counts.tolist() == fields["counts"]
    assert (block.chip, block.first_index, block.device_time_us, block.host_time_ns) == (chip, index, time_us, 5)
    assert decoder.left_out == fields["left_out"]


@pytest.mark.parametrize("name", STREAMS)
def test_stream(name: str) -> None:
    golden = GOLDEN[name]
    deframer = Deframer()
    frames = deframer.feed(bytes.fromhex(golden["stream"]))
    assert frames == [(frame["kind"], bytes.fromhex(frame["payload"])) for frame in golden["frames"]]
    assert deframer.take_text() == golden["text"]
    assert deframer.frames_damaged == golden["frames_damaged"]
    assert deframer.frames_good == len(frames)
