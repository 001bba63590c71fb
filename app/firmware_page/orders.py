"""What a person can order for a module, made ready for the flasher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from app.firmware_page.facts import Facts
from app.firmware_page.modules import Connected
from app.firmware_page.stages import Kind, StageBoard
from device_io.flashing.flasher import Flasher
from device_io.flashing.result import FlashOptions, FlashResult
from firmware_images.package import FirmwarePackage


class Order(NamedTuple):
    """package: the firmware it is about, None where it is another thing."""

    kind: Kind
    module: Connected
    options: FlashOptions
    work: Callable[[Flasher], FlashResult]
    package: FirmwarePackage | None = None


def order_for(kind: Kind, module: Connected, facts: Facts, options: FlashOptions) -> Order | None:
    """None where there is nothing to do it with: no firmware, no backup, nothing unfinished."""
    package, packages, backup, unfinished = facts.package, facts.packages, facts.backup, facts.unfinished
    if kind is Kind.UPDATE and package is not None:
        # Both are asked about: `firmware_questions`.
        options = replace(options, allow_unsigned=package.signature != "trusted", anew=unfinished is not None)
        return Order(kind, module, options, lambda flasher: flasher.flash(*packages), package)
    if kind is Kind.RESTORE and backup is not None:
        return Order(kind, module, options, lambda flasher: flasher.restore(backup.path))
    if kind is Kind.FINISH and unfinished is not None:
        return Order(kind, module, options, lambda flasher: flasher.finish(unfinished))
    if kind is Kind.GO_BACK and unfinished is not None:
        return Order(kind, module, options, lambda flasher: flasher.go_back(unfinished))
    return None


def board_for(order: Order, facts: Facts) -> StageBoard:
    """Its stages before it begins, with what is known of their lengths."""
    app = order.package.app if order.package is not None else None
    return StageBoard(
        order.kind,
        bytes_to_write=len(app.data) if app is not None else 0,
        flash_size=facts.backup.size if facts.backup is not None and order.options.backup else 0,
        baud=order.options.baud,
        backs_up=order.options.backup,
    )
