"""Strict JSON objects inside a payload: UTF-8, finite numbers, no key twice; anything else is a MessageError."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn


class MessageError(ValueError):
    """A payload that does not keep to the protocol; the text says in one sentence what is wrong."""


def dump_object(values: Mapping[str, Any]) -> bytes:
    """A JSON object without white space, as UTF-8. Raises MessageError for what JSON can't hold."""
    try:
        return json.dumps(dict(values), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageError(f"these values can't be written as JSON: {error}.") from None


def load_object(data: bytes, what: str) -> dict[str, Any]:
    """The JSON object in `data`; `what` names it in the error."""
    try:
        value = json.loads(
            data.decode(), parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_object
        )
    except UnicodeDecodeError:
        raise MessageError(f"{what} is not UTF-8.") from None
    except MessageError as error:
        raise MessageError(f"{what}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise MessageError(f"{what} is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise MessageError(f"{what} is not a JSON object.")
    return value


def is_number(value: object) -> bool:
    """A JSON number that a float64 holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def is_text(value: object) -> bool:
    """A JSON string without lone surrogates, so that it can be written again."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _refuse_constant(name: str) -> NoReturn:
    raise MessageError(f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise MessageError(f"{text[:20]} is too large for a number.")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise MessageError("a key stands there twice.")
    return values
