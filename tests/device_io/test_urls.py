from __future__ import annotations

import pytest

from device_io.source import LinkError, LinkErrorKind
from device_io.urls import LinkUrl, parse_url


@pytest.mark.parametrize(
    ("text", "port", "baud"),
    [
        ("usb:COM5", "COM5", None),
        ("usb:/dev/ttyUSB0?baud=921600", "/dev/ttyUSB0", 921_600),
        (" USB:/dev/cu.usbserial-0001 ", "/dev/cu.usbserial-0001", None),
        ("usb:socket://127.0.0.1:4711", "socket://127.0.0.1:4711", None),
        ("usb:socket://127.0.0.1:4711?baud=3000000", "socket://127.0.0.1:4711", 3_000_000),
        (
            "usb:rfc2217://host:2217?ign_set_control&baud=115200&timeout=3",
            "rfc2217://host:2217?ign_set_control&timeout=3",
            115_200,
        ),
    ],
)
def test_our_keys_are_taken_out_and_the_rest_goes_on(text: str, port: str, baud: int | None) -> None:
    assert parse_url(text) == LinkUrl("usb", port, baud, text.strip())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Write usb:PORT"),
        ("/dev/ttyUSB0", "Write usb:PORT"),
        ("COM5", "Write usb:PORT"),
        ("usb:", "names no port"),
        ("usb:?baud=921600", "names no port"),
        ("http://x", "Write usb:PORT"),
        ("C:\\record.cfg", "Write usb:PORT"),
        ("rs485:COM5", "not supported by this version yet"),
        ("mqtts://host/TOKEN/EUI", "not supported by this version yet"),
        ("usb:COM5?baud=9600", "115200, 921600, 2000000, 3000000"),
        ("usb:COM5?baud=fast", "115200, 921600, 2000000, 3000000"),
        ("usb:COM5?baud=", "115200, 921600, 2000000, 3000000"),
        ("usb:COM5?baud=²", "115200, 921600, 2000000, 3000000"),
        ("usb:COM5?baud=921600&baud=115200", "twice"),
        ("usb:COM5?parity=E", "parity=E"),
    ],
)
def test_what_is_no_url_gets_one_sentence_that_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(LinkError) as caught:
        parse_url(text)
    assert caught.value.kind == LinkErrorKind.BAD_URL
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
