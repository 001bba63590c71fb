"""The published payload: every field in its place, both forms of percent, other lengths refused, damage seen."""

from __future__ import annotations

import random
import struct

import pytest

from device_io.mqtt.payload import PayloadError, decode_payload, encode_payload, pack_raw
from device_io.mqtt.payload_layout import payload_keys
from device_io.mqtt.published_firmware import imitate
from resources.parameters import PAYLOAD_BYTES, table
from tests.fakes.mqtt_publisher import sound_values

FORMATS = {"int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "int64": ">q", "uint64": ">Q"}


def by_table(body: bytes, key: str) -> int:
    """The wire value of a key, by nothing but the table."""
    field = table()[key].payload
    assert field is not None
    (value,) = struct.unpack_from(FORMATS[field.type], body, field.offset)
    return int(value)


def test_there_are_295_fields() -> None:
    assert len(payload_keys()) == 295


@pytest.mark.parametrize("fine", [True, False])
def test_every_field_lies_where_the_table_says(fine: bool) -> None:
    body = bytearray(random.Random(7).randbytes(PAYLOAD_BYTES))
    for channel in range(6):
        struct.pack_into(">H", body, 224 + 80 * channel, 10_000 if fine else 100)
    for data in (bytes(body), b"\0\0" + bytes(body)):
        values = decode_payload(data).values
        assert list(values) == list(payload_keys())
        for key, value in values.items():
            field = table()[key].payload
            assert field is not None
            scale = field.fine_scale if fine and field.fine_scale else field.scale
            assert value == by_table(bytes(body), key) / scale, key


def test_each_channel_has_its_own_form() -> None:
    data = pack_raw({"1V1": 100, "1V5": 3, "THV1": 3, "2V1": 10_000, "2V5": 250, "THV2": 260, "3I5": 7, "THI3": 9})
    values = decode_payload(data).values
    assert (values["1V1"], values["1V5"], values["THV1"]) == (100.0, 3.0, 3.0)
    assert (values["2V1"], values["2V5"], values["THV2"]) == (100.0, 2.5, 2.6)
    assert (values["3I1"], values["3I5"], values["THI3"]) == (0.0, 7.0, 9.0)


@pytest.mark.parametrize("fundamental", [1, 99, 101, 9_999, 10_001, 65_535])
def test_an_unknown_form_gives_no_number(fundamental: int) -> None:
    decoded = decode_payload(pack_raw({"1I1": fundamental, "1I5": 7, "THI1": 7, "2I1": 100, "2I5": 7}))
    assert decoded.implausible
    assert all(decoded.values[key] is None for key in ("1I1", "1I5", "1I40", "THI1"))
    assert decoded.values["2I5"] == 7.0


@pytest.mark.parametrize("size", [0, 1, 2, 703, 705, 707, 1408, 4096])
def test_other_lengths_are_refused_in_one_sentence(size: int) -> None:
    with pytest.raises(PayloadError, match=rf"^A message of {size} bytes is no readings of a Sensix module"):
        decode_payload(bytes(size))


def test_what_is_encoded_comes_back() -> None:
    values = sound_values()
    decoded = decode_payload(encode_payload(values))
    assert decoded.implausible == ""
    for key, value in values.items():
        assert decoded.values[key] == pytest.approx(value, abs=0.0051)
    coarse = decode_payload(encode_payload(values, fine=False)).values
    assert coarse["1V5"] in (2.0, 3.0)
    assert coarse["1I5"] == 12.0


def test_a_value_beyond_its_field_stays_at_its_end() -> None:
    values = decode_payload(encode_payload({"V1r": 1e9, "Fq1i": 70.0, "PF1i": -9.0, "tAE1": -5.0})).values
    assert (values["V1r"], values["Fq1i"], values["PF1i"], values["tAE1"]) == (2_147_483.647, 65.535, -1.28, 0.0)


def test_64_bit_energies_are_exact() -> None:
    values = decode_payload(pack_raw({"tAE1": 2**64 - 1, "SE1": -(2**63)})).values
    assert (values["tAE1"], values["SE1"]) == ((2**64 - 1) / 1000, -(2**63) / 1000)


def test_the_published_firmware_cuts_and_wraps() -> None:
    values = decode_payload(imitate({"Fq1i": 70.0, "THV1": 8.0, "1V1": 100.0, "V1r": 230.1, "I1r": 1e12})).values
    assert values["Fq1i"] == 4.464
    assert values["THV1"] == 7.0
    assert values["V1r"] == pytest.approx(230.1, abs=0.0011)
    assert values["I1r"] == 2_147_483.647


@pytest.mark.parametrize(
    "change",
    [
        {"V1r": -5000},
        {"V2r": 2_147_483_647},
        {"I3r": -1},
        {"Prot": 7},
        {"PF2i": 101},
        {"Fq1i": 4464},
        {"P1": 9_000_000},
        {"V12r": 900_000},
        {"tAE1": 2**63},
        {"1V7": 20_000},
        {"2V1": 5},
    ],
)
def test_what_cant_be_true_is_noticed(change: dict[str, int]) -> None:
    sound = encode_payload(sound_values())
    raw = {key: by_table(sound[2:], key) for key in payload_keys()}
    assert decode_payload(pack_raw(raw)).implausible == ""
    assert decode_payload(pack_raw(raw | change)).implausible != ""


def mutated(rng: random.Random, data: bytes) -> bytes:
    body = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64, 700))):
        body[rng.randrange(2, len(body))] ^= 1 << rng.randrange(8)
    return bytes(body)


def check_mutations(count: int, seed: int) -> None:
    rng = random.Random(seed)
    sound = encode_payload(sound_values())
    noticed = 0
    for _ in range(count):
        noticed += decode_payload(mutated(rng, sound)).implausible != ""
        noise = decode_payload(rng.randbytes(rng.choice((704, 706))))
        assert noise.implausible, "random bytes passed for readings"
    assert noticed > count // 4


def test_damaged_payloads_raise_nothing_and_noise_is_noticed() -> None:
    check_mutations(2_000, random.randrange(2**32))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_damaged_payloads_in_full() -> None:
    check_mutations(1_000_000, random.randrange(2**32))
