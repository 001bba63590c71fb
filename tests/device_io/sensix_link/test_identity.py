"""Identity: back and forth, and strict about everything that later code relies on."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_io.sensix_link.framing import MAX_PAYLOAD
from device_io.sensix_link.identity import identity_from_json, identity_to_json, link_options_from_json
from device_io.sensix_link.json_payload import MessageError
from device_io.sensix_link.messages import IdentityReply
from device_io.source import ChannelInfo, ChipInfo, ModuleInfo, ResponseSection

RESPONSE = (
    ResponseSection("highpass1", corner_hz=0.6),
    ResponseSection("lowpass1", corner_hz=7200.0),
    ResponseSection("lowpass2", corner_hz=1000.5, q=0.707),
    ResponseSection("delay", delay_us=-12.5),
)


def channel(key: str) -> ChannelInfo:
    return ChannelInfo(key, "V" if key[0] == "V" else "A", 1.234567890123e-4, 707.1, RESPONSE)


INFO = ModuleInfo(
    eui="70B3D5499A0C0001",
    type="3PN-PowerMonitor1",
    system="3P+N",
    firmware="2.1.0",
    chips=(
        ChipInfo(4000.0, (channel("V1"), channel("I1"), channel("IN"))),
        ChipInfo(4000.0, (channel("V2"), channel("I2"))),
        ChipInfo(4000.0, (channel("V3"), channel("I3")), shift=5),
    ),
    capabilities=frozenset({"waveform-stream", "readings"}),
    boot_id=2**32 - 1,
    name="Zähler „Keller“",
)


def test_back_and_forth() -> None:
    data = identity_to_json(INFO, bauds=(115_200, 921_600), codings=(0, 1, 9))
    assert len(data) < MAX_PAYLOAD // 2
    assert identity_from_json(data) == INFO
    options = link_options_from_json(data)
    assert (options.bauds, options.codings) == ((115_200, 921_600), (0, 1, 9))
    assert IdentityReply.unpack(IdentityReply(7, data).pack()) == IdentityReply(7, data)


def test_what_newer_firmware_adds_is_ignored() -> None:
    tree = json.loads(identity_to_json(INFO))
    tree["colour"] = {"case": "grey"}
    tree["capabilities"].append("teleport")
    tree["chips"][0]["channels"][0]["serial"] = 5
    del tree["name"], tree["calibrated"], tree["chips"][1]["channels"][0]["response"]
    info = identity_from_json(json.dumps(tree).encode())
    assert info.capabilities == INFO.capabilities
    assert info.name == ""
    assert [section.kind for section in info.chips[1].channels[0].response] == ["highpass1", "lowpass2"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("eui",), "70b3d5499a0c0001"), (("eui",), None), (("eui",), 5), (("system",), "3P+PE"), (("system",), []),
        (("type",), None), (("type",), "x" * 201), (("firmware",), "a\nb"), (("name",), 5), (("calibrated",), 1),
        (("boot_id",), -1), (("boot_id",), 1.0), (("boot_id",), 2**32), (("boot_id",), True),
        (("capabilities",), "readings"), (("capabilities",), [5]), (("capabilities",), [["a"]]), (("chips",), []),
        (("chips",), {}), (("chips",), [1]), (("chips", 0, "shift"), 9), (("chips", 0, "nominal_rate_hz"), 0),
        (("chips", 0, "nominal_rate_hz"), "4000"), (("chips", 0, "nominal_rate_hz"), True),
        (("chips", 0, "nominal_rate_hz"), 1e-320), (("chips", 0, "channels"), []),
        (("chips", 0, "channels", 0, "key"), "V2"), (("chips", 0, "channels", 0, "key"), "X"),
        (("chips", 0, "channels", 0, "unit"), "A"), (("chips", 0, "channels", 0, "unit_per_count"), 0),
        (("chips", 0, "channels", 0, "unit_per_count"), None), (("chips", 0, "channels", 0, "full_scale"), -1),
        (("chips", 0, "channels", 0, "response"), None), (("chips", 0, "channels", 0, "response", 0, "kind"), "comb"),
        (("chips", 0, "channels", 0, "response", 0, "corner_hz"), 0),
        (("chips", 0, "channels", 0, "response", 2, "q"), 0),
        (("chips", 0, "channels", 0, "response", 3, "delay_us"), "x"),
    ],
)  # fmt: skip
def test_wrong_identities_are_refused(path: tuple[Any, ...], value: Any) -> None:
    tree = json.loads(identity_to_json(INFO))
    node = tree
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    with pytest.raises(MessageError, match=r"^identity.*\.$"):
        identity_from_json(json.dumps(tree).encode())


@pytest.mark.parametrize("options", [{"bauds": []}, {"bauds": ["x"]}, {"codings": 1}, {"codings": [256]}])
def test_wrong_link_options_are_refused(options: dict[str, Any]) -> None:
    tree = json.loads(identity_to_json(INFO)) | options
    with pytest.raises(MessageError):
        link_options_from_json(json.dumps(tree).encode())


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
TREES = st.recursive(JUNK, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


@settings(deadline=None)
@given(TREES, st.data())
def test_any_tree_in_any_place_is_an_identity_or_a_message_error(tree: object, data: st.DataObject) -> None:
    root = copy.deepcopy(json.loads(identity_to_json(INFO)))
    node: Any = root
    while True:
        places = list(node) if isinstance(node, dict) else list(range(len(node)))
        place = data.draw(st.sampled_from(places))
        if isinstance(node[place], dict | list) and node[place] and data.draw(st.booleans()):
            node = node[place]
            continue
        node[place] = tree
        break
    payload = json.dumps(root).encode()
    for function in (identity_from_json, link_options_from_json):
        with contextlib.suppress(MessageError):
            function(payload)
