from __future__ import annotations

import pytest

from device_io.source import LinkError, LinkErrorKind
from device_io.urls import LinkUrl, MqttUrl, parse_broker_url, parse_serial_url, parse_url


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
        ("rs485:", "names no port"),
        ("rs485:COM5?baud=921600", "9600, 19200"),
        ("rs485:COM5?parity=X", "parity=N"),
        ("rs485:COM5?unit=0", "unit=1 to unit=247"),
        ("rs485:COM5?unit=248", "unit=1 to unit=247"),
        ("rs485:COM5?unit=1&unit=2", "twice"),
        ("rs485:COM5?stop=2", "stop=2"),
        ("mqtts:///home/0253454E00000001", "names no host"),
        ("mqtts://host/home", "token and EUI"),
        ("mqtts://host/home/0253454E00000001/0", "token and EUI"),
        ("mqtts://host/+/0253454E00000001", "token and EUI"),
        ("mqtts://host/home/EUI", "is not an EUI"),
        ("mqtts://anna:secret@host/home/0253454E00000001", "mqtts://anna@host/home"),
        ("mqtts://host:0/", "not the address of a broker"),
        ("mqtts://host:99999/", "not the address of a broker"),
        ("mqtts://[::1/", "not the address of a broker"),
        ("mqtts://host?cafile=x", "cafile=x"),
        ("mqtts://host?ca=", "'ca=' names no file"),
        (f"mqtts://host/{'t' * 257}/0253454E00000001", "token and EUI"),
        ("mqtts://host/%07/0253454E00000001", "token and EUI"),
        ("mqtts://host?cert=x", "both of its files"),
        ("mqtt://192.168.1.10", "Write mqtts://"),
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


def test_an_rs485_url_says_how_the_line_is_set_and_which_unit():
    assert parse_url("rs485:COM5") == LinkUrl("rs485", "COM5", 19_200, "rs485:COM5", "E", 1)
    text = "rs485:socket://127.0.0.1:4711?baud=115200&parity=n&unit=7&timeout=1"
    assert parse_url(text) == LinkUrl("rs485", "socket://127.0.0.1:4711?timeout=1", 115_200, text, "N", 7)


def test_the_url_of_a_module_behind_a_broker():
    text = "mqtts://anna@broker.lan/home/0253454e00000001?ca=/etc/ca%20of%20us.pem&cert=a.pem&key=b.pem"
    assert parse_url(text) == MqttUrl(
        "mqtts",
        "broker.lan",
        8883,
        "anna",
        "home",
        "0253454e00000001",
        "/etc/ca of us.pem",
        "a.pem",
        "b.pem",
        text,
    )


@pytest.mark.parametrize("text", ["mqtts://[::1]:18883", "mqtts://[::1]:18883/"])
def test_without_token_and_eui_it_is_a_broker(text: str) -> None:
    url = parse_url(text)
    assert isinstance(url, MqttUrl)
    assert (url.host, url.port, url.is_module) == ("::1", 18_883, False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_without_tls_only_this_computer_unless_it_is_asked_for(host: str) -> None:
    assert parse_url(f"mqtt://{host}").port == 1883
    assert parse_url("mqtt://10.0.0.5:1900", allow_plain=True).port == 1900


@pytest.mark.parametrize("password", ["s3cret", "a/s3cret", "s3cret?x", "#s3cret", "12s3cret", "s3:cret", "s3cret@x"])
@pytest.mark.parametrize("scheme", ["mqtts:", "https:", "mqtt", "MQTTS:"])
def test_a_password_is_not_repeated(scheme: str, password: str):
    for parse in (parse_url, parse_broker_url):
        with pytest.raises(LinkError) as caught:
            parse(f"{scheme}//anna:{password}@host/home/0253454E00000001")
        assert "cret" not in str(caught.value)


def test_the_zone_of_an_address_is_taken_as_it_is_meant():
    url = parse_broker_url("mqtts://[fe80::1%25eth0]:8884")
    assert (url.host, url.port) == ("fe80::1%eth0", 8884)


def test_where_a_port_is_wanted_a_usb_url_serves_too():
    assert parse_serial_url("COM5") == LinkUrl("usb", "COM5", None, "usb:COM5")
    assert parse_serial_url("usb:COM5?baud=921600").baud == 921_600
    assert parse_serial_url("socket://127.0.0.1:4711").port == "socket://127.0.0.1:4711"
    with pytest.raises(LinkError, match="is not a port for this"):
        parse_serial_url("rs485:COM5")
