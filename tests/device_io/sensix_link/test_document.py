"""The document says what the code does: its tables and examples are read here."""

from __future__ import annotations

import re
from pathlib import Path

from device_io.sensix_link import rules
from device_io.sensix_link.framing import Deframer
from device_io.sensix_link.identity import identity_from_json, link_options_from_json
from device_io.sensix_link.messages import ErrorCode, HelloReply, Kind, StreamReply
from device_io.sensix_link.samples import Coding, SampleDecoder, encode_samples

DOCUMENT = (Path(__file__).parents[3] / "docs" / "link-protocol.md").read_text("utf-8")


def test_kinds_and_error_codes() -> None:
    kinds = {name: int(code, 16) for code, name in re.findall(r"^\| ([0-9A-F]{2}) \| ([A-Z_]+) \|", DOCUMENT, re.M)}
    assert kinds == {kind.name: kind.value for kind in Kind}
    codes = {name: int(code) for name, code in re.findall(r"^\| ([A-Z_]+) \| (\d+) \|", DOCUMENT, re.M)}
    assert codes == {code.name: code.value for code in ErrorCode}


def test_no_kind_is_a_character_of_text() -> None:
    assert all(kind < 0x20 and kind not in b"\x07\x08\t\n\r\x1b" for kind in Kind)


def test_frames_in_the_document_are_intact() -> None:
    examples = re.findall(r"C0 FA(?:\s+[0-9A-F]{2})+\s+C0", DOCUMENT)
    assert len(examples) == 3
    frames = [frame for example in examples for frame in Deframer().feed(bytes.fromhex(example))]
    assert [kind for kind, _ in frames] == [Kind.HELLO, Kind.PROBE_REPLY, Kind.SAMPLES]
    (block,) = SampleDecoder({0: 4000.0}, {0: 1}).decode([frames[2][1]], 1)
    assert block.counts[:, 0].tolist() == [10, 20, 30, 40, 51, 59]
    assert encode_samples(0, 80, 20_000, 0, block.counts, Coding.DIFFERENCE) == frames[2][1]


def test_identity_in_the_document_is_valid() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.S)
    info = identity_from_json(example.encode())
    assert (info.system, len(info.chips), info.boot_id) == ("3P+N", 3, 0xDEADBEEF)
    assert link_options_from_json(example.encode()).codings == (0, 1)


def test_times() -> None:
    times = dict(re.findall(r"^\| ([^|]*) \| ([^|]*\d m?s[^|]*) \|$", DOCUMENT, re.M))
    assert times["H repeats a request without answer"] == "after 1 s; HELLO after 0.5 s"
    assert times["both wait between BAUD_REPLY and the switch"] == "20 ms after its last bit"
    assert times["T goes back to 115 200 without an intact PROBE at the new baud"] == "1 s"
    assert times["H sends any frame while a session is open (PROBE if nothing else)"] == "every 1 s at least"
    assert times["T ends the session without an intact frame from H"] == "3 s"
    assert (rules.REPLY_TIMEOUT_S, rules.HELLO_INTERVAL_S, rules.BAUD_SWITCH_DELAY_S) == (1.0, 0.5, 0.02)
    assert (rules.BAUD_CONFIRM_S, rules.KEEP_ALIVE_S, rules.HOST_SILENCE_S) == (1.0, 1.0, 3.0)


def test_fixed_layouts_have_the_sizes_of_the_document() -> None:
    assert len(HelloReply(1, 1, 1, 1).pack()) == 4
    assert len(StreamReply(1, 0, 7, 80, 0).pack()) == 1 + 1 + 1 + 2 + 4
