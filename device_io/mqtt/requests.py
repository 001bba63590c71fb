"""Requests to a module over the broker: one at a time, repeated until answered, in order; never blocks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from device_io.job_queue import MOST, too_many
from device_io.sensix_link.messages import ErrorCode, ErrorReply, Message, MessageError
from device_io.source import LinkError, LinkErrorKind

REPEAT_S = 0.7
TIMEOUT_S = 4.0


@dataclass(frozen=True)
class Request:
    """make: the message under a request id. reply: its type. done: takes the reply; failed: takes why there is none."""

    make: Callable[[int], Message]
    reply: type[Message]
    done: Callable[[Message], None]
    failed: Callable[[LinkError], None]
    timeout_s: float = TIMEOUT_S


class Requests:
    """send: publishes a message to the module. Not safe for use from several threads."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._first: deque[Request] = deque()
        self._waiting: deque[Request] = deque()
        self._open: Request | None = None
        self._sent_back: Request | None = None
        self._message: Message | None = None
        self._id = 0
        self._repeat_at_s = self._give_up_at_s = 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing waits for an answer."""
        return self._open is None

    def ask(self, request: Request, *, first: bool = False) -> None:
        """Queue a request; first: before those that wait."""
        if first:
            self._first.appendleft(request)
        elif len(self._waiting) >= MOST:
            request.failed(too_many())
            return
        else:
            self._waiting.append(request)
        self._next()

    def take(self, message: Message) -> bool:
        """An answer came; whether somebody waited for it. A request for which HELLO is missing waits until that and
        all else that goes first is done, once."""
        request = self._open
        if request is None or getattr(message, "request_id", 0) != self._id:
            return False
        if isinstance(message, request.reply):
            self._open = None
            request.done(message)
        elif isinstance(message, ErrorReply) and message.code == ErrorCode.NO_SESSION and self._sent_back != request:
            self._open, self._sent_back = None, request
            self._waiting.appendleft(request)
            return True  # it goes on with what is asked first now, or with the next tick
        elif isinstance(message, ErrorReply):
            self._open = None
            request.failed(LinkError(LinkErrorKind.REFUSED, refusal(message)))
        else:
            return False
        self._next()
        return True

    def tick(self) -> None:
        """Repeat, or give up."""
        now_s = time.monotonic()
        if self._open is not None and now_s >= self._give_up_at_s:
            request, self._open = self._open, None
            request.failed(
                LinkError(LinkErrorKind.SILENT, "The module does not answer. Check that it has power and WiFi.")
            )
        elif self._open is not None and now_s >= self._repeat_at_s and self._message is not None:
            self._repeat_at_s = now_s + REPEAT_S
            self._send(self._message)
        self._next()

    def fail_all(self, error: LinkError) -> None:
        """The way is cut."""
        requests = [*([self._open] if self._open else []), *self._first, *self._waiting]
        self._open = None
        self._first.clear()
        self._waiting.clear()
        for request in requests:
            request.failed(error)

    def _next(self) -> None:
        while self._open is None and (self._first or self._waiting):
            request = (self._first or self._waiting).popleft()
            self._id = self._id % 255 + 1
            try:
                self._message = request.make(self._id)
                self._message.pack()
            except MessageError as error:
                request.failed(LinkError(LinkErrorKind.REFUSED, str(error)))
                continue
            self._open = request
            now_s = time.monotonic()
            self._repeat_at_s, self._give_up_at_s = now_s + REPEAT_S, now_s + request.timeout_s
            self._send(self._message)


def refusal(answer: ErrorReply) -> str:
    """One sentence of a module's ERROR."""
    known = {code.value: code.name.lower().replace("_", " ") for code in ErrorCode}
    reason = answer.text.strip() or known.get(answer.code, f"reason {answer.code}")
    return f"The module refuses: {reason.rstrip('.')}."
