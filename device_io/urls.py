"""Link URLs.

usb:PORT[?baud=N]
rs485:PORT[?baud=N&parity=N|E|O&unit=N]
mqtts://[USER@]HOST[:PORT]/TOKEN/EUI[?ca=FILE&cert=FILE&key=FILE]; without /TOKEN/EUI it is a broker

PORT is a device name (COM5, /dev/ttyUSB0) or any pyserial URL (socket://127.0.0.1:4711, rfc2217://host:port).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from device_io.source import LinkError, LinkErrorKind

USB_BAUDS = (115_200, 921_600, 2_000_000, 3_000_000)
"""Rates a module's USB port can be asked for."""
RS485_BAUDS = (1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200)
RS485_BAUD, RS485_PARITY, RS485_UNIT = 19_200, "E", 1
"""What stands where an rs485 URL does not say: the defaults of Modbus over serial line V1.02, section 2.5.1."""
MQTTS_PORT, MQTT_PORT = 8883, 1883

_USB_FORM = "Write usb:PORT, for example usb:COM5, usb:/dev/ttyUSB0 or usb:socket://127.0.0.1:4711."
_RS485_FORM = "Write rs485:PORT, for example rs485:COM5?baud=19200&parity=E&unit=1."
_MQTT_FORM = "Write mqtts://USER@HOST/TOKEN/EUI, for example mqtts://anna@192.168.1.10/home/0253454E00000001?ca=ca.pem."
_BROKER_FORM = "Write mqtts://HOST, for example mqtts://anna@broker.example:8883?ca=ca.pem."
_PASSWORD = re.compile(r"(?<=//)([^/?#:@]*):(?!\d+(?:[/?#]|$)).*@")
"""USER:PASSWORD@, whatever the password is made of; HOST:PORT/ and HOST:PORT? are none."""
_TOKEN_BYTES = 256
_FORM = f"{_USB_FORM} Over RS485 it is rs485:PORT, over WiFi mqtts://HOST/TOKEN/EUI."


@dataclass(frozen=True)
class LinkUrl:
    """The URL of a serial port taken apart.

    scheme: "usb" or "rs485". port: device name or pyserial URL, without our own keys. baud: rate to use, None to
    choose by itself (usb only). parity: "N", "E" or "O"; unit: 1..247 (both rs485 only). text: the URL as it was given.
    """

    scheme: str
    port: str
    baud: int | None
    text: str
    parity: str = "N"
    unit: int = 0


@dataclass(frozen=True)
class MqttUrl:
    """The URL of a broker, or of a module behind it, taken apart.

    scheme: "mqtts" or "mqtt" (no TLS). token, eui: parts of the module's topics as given, None for a broker.
    ca, cert, key: file names, None where not given. text: the URL as it was given; it never holds a password.
    """

    scheme: str
    host: str
    port: int
    user: str | None
    token: str | None
    eui: str | None
    ca: str | None
    cert: str | None
    key: str | None
    text: str

    @property
    def is_module(self) -> bool:
        """Whether it names a module, not only a broker."""
        return self.eui is not None


def parse_url(text: str, *, allow_plain: bool = False) -> LinkUrl | MqttUrl:
    """Take a link URL apart. allow_plain: take mqtt:// (without TLS) for other hosts than this computer.

    :raises LinkError: (BAD_URL) if it is not one; the text says what to write instead.
    """
    text = text.strip()
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if colon and scheme in ("usb", "rs485"):
        return _serial(scheme, rest, text)
    if colon and scheme in ("mqtt", "mqtts"):
        return _mqtt(scheme, text, allow_plain, _MQTT_FORM)
    raise _bad_url(f"{_without_password(text)!r} is not the address of a module. {_FORM}")


def parse_broker_url(text: str) -> MqttUrl:
    """Take the URL of a broker apart. LinkError (BAD_URL) for anything else, that of a module too."""
    text = text.strip()
    scheme = text.partition(":")[0].lower()
    url = _mqtt(scheme, text, False, _BROKER_FORM) if scheme in ("mqtt", "mqtts") else None
    if url is None or url.is_module:
        raise _bad_url(f"{_without_password(text)!r} is not the address of a broker. {_BROKER_FORM}")
    return url


def parse_serial_url(text: str, scheme: str = "usb") -> LinkUrl:
    """Take the URL of a serial port of this scheme apart, or a bare port. LinkError (BAD_URL) for anything else."""
    given = text.strip()
    if given.partition(":")[0].lower() not in ("usb", "rs485", "mqtt", "mqtts"):
        given = f"{scheme}:{given}"
    url = parse_url(given)
    if not isinstance(url, LinkUrl) or url.scheme != scheme:
        form = _USB_FORM if scheme == "usb" else _RS485_FORM
        raise _bad_url(f"{text.strip()!r} is not a port for this. {form}")
    return url


def _serial(scheme: str, rest: str, text: str) -> LinkUrl:
    form = _USB_FORM if scheme == "usb" else _RS485_FORM
    own = ("baud",) if scheme == "usb" else ("baud", "parity", "unit")
    port, _, query = rest.partition("?")
    keys: dict[str, str] = {}
    foreign: list[str] = []
    for item in filter(None, query.split("&")):
        key, _, value = item.partition("=")
        if key not in own:
            foreign.append(item)
        elif key in keys:
            words = {"baud": "baud rate"}.get(key, key)
            raise _bad_url(f"{text!r} gives the {words} twice. Leave one of them out.")
        else:
            keys[key] = value
    if not port:
        raise _bad_url(f"{text!r} names no port. {form}")
    if foreign and "://" not in port:
        known = "The only key there is baud." if len(own) == 1 else f"The keys there are {', '.join(own)}."
        raise _bad_url(f"{foreign[0]!r} means nothing for the port {port}. {known} {form}")
    port = f"{port}?{'&'.join(foreign)}" if foreign else port
    if scheme == "usb":
        return LinkUrl(scheme, port, _baud(keys.get("baud"), USB_BAUDS, None), text)
    parity = keys.get("parity", RS485_PARITY).upper()
    if parity not in ("N", "E", "O"):
        raise _bad_url(f"{keys['parity']!r} is not a parity. Write parity=N (none), E (even) or O (odd).")
    unit = keys.get("unit", str(RS485_UNIT))
    if not (unit.isascii() and unit.isdigit() and 1 <= int(unit) <= 247):
        raise _bad_url(f"{unit!r} is not the address of a unit. Write unit=1 to unit=247.")
    return LinkUrl(scheme, port, _baud(keys.get("baud"), RS485_BAUDS, RS485_BAUD), text, parity, int(unit))


def _baud(value: str | None, known: tuple[int, ...], usual: int | None) -> int | None:
    if value is None:
        return usual
    if not (value.isascii() and value.isdigit()) or int(value) not in known:
        rates = ", ".join(str(rate) for rate in known)
        raise _bad_url(f"{value!r} is not a baud rate of a module. Choose one of {rates}, or leave it out.")
    return int(value)


def _without_password(text: str) -> str:
    """Fit for a sentence that others may read."""
    return _PASSWORD.sub(r"\1@", text)


def _mqtt(scheme: str, text: str, allow_plain: bool, form: str) -> MqttUrl:
    shown = _without_password(text)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _bad_url(f"{shown!r} is not the address of a broker. {form}") from None
    if not host:
        raise _bad_url(f"{shown!r} names no host. {form}")
    if parts.password is not None:
        raise _bad_url(
            f"An address holds no password: write {shown}; the password is asked for, or read from the keyring."
        )
    if parts.fragment or port == 0:
        raise _bad_url(f"{shown!r} is not the address of a broker. {form}")
    if scheme == "mqtt" and not allow_plain and not is_loopback(host):
        raise _bad_url(f"mqtt:// would send everything readable to {host}. Write mqtts://, which encrypts it.")
    if ":" in host:
        host = unquote(host)  # RFC 6874: the zone of an IPv6 address stands after %25
    token, eui = _topic(parts.path, shown)
    files: dict[str, str] = {}
    for item in filter(None, parts.query.split("&")):
        key, _, value = item.partition("=")
        if key not in ("ca", "cert", "key"):
            raise _bad_url(f"{item!r} means nothing in the address of a broker. The keys there are ca, cert, key.")
        if not value:
            raise _bad_url(f"{item!r} names no file. Write {key}=FILE.")
        if key in files:
            raise _bad_url(f"{shown!r} gives {key} twice. Leave one of them out.")
        files[key] = unquote(value)
    if ("cert" in files) != ("key" in files):
        raise _bad_url("A client certificate needs both of its files. Write cert=FILE&key=FILE.")
    user = unquote(parts.username) if parts.username else None
    usual = MQTTS_PORT if scheme == "mqtts" else MQTT_PORT
    return MqttUrl(
        scheme, host, port or usual, user, token, eui, files.get("ca"), files.get("cert"), files.get("key"), text
    )


def _topic(path: str, text: str) -> tuple[str | None, str | None]:
    levels = [unquote(level) for level in path.strip("/").split("/")] if path.strip("/") else []
    if not levels:
        return None, None
    token = levels[0]
    wrong = len(levels) != 2 or not token or len(token.encode()) > _TOKEN_BYTES or not token.isprintable()
    if wrong or any(c in level for level in levels for c in "+#/"):
        raise _bad_url(f"{text!r} does not name a module's token and EUI. {_MQTT_FORM}")
    if len(levels[1]) != 16 or any(c not in "0123456789abcdefABCDEF" for c in levels[1]):
        raise _bad_url(f"{levels[1]!r} is not an EUI: it has 16 digits 0-9 and A-F and stands on the module's label.")
    return token, levels[1]


def is_loopback(host: str) -> bool:
    """Whether a host name means this computer."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _bad_url(sentence: str) -> LinkError:
    return LinkError(LinkErrorKind.BAD_URL, sentence)
