from __future__ import annotations

import pytest

from app.window.link_words import link_kind, link_place


@pytest.mark.parametrize(
    ("url", "kind", "place"),
    [
        ("usb:COM5", "USB", "COM5"),
        ("usb:/dev/ttyUSB0?baud=921600", "USB", "ttyUSB0"),
        ("usb:socket://127.0.0.1:4711", "USB", "127.0.0.1:4711"),
        ("rs485:/dev/ttyUSB1?baud=9600&unit=3", "RS485", "ttyUSB1 unit 3"),
        ("rs485:COM6", "RS485", "COM6"),
        ("mqtts://anna@broker.lan:8884/home/0253454E00000001?ca=x", "WiFi", "broker.lan:8884"),
    ],
)
def test_the_kind_of_a_link_and_where_it_goes(url, kind, place):
    assert (link_kind(url), link_place(url)) == (kind, place)
