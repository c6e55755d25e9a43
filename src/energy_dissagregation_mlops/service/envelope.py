"""Around every request: its id, the access log, the headers of every answer, and the last resort.

Plain ASGI, since it runs on every request. It does not know what a request is about.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from energy_dissagregation_mlops.service.logs import request_id
from energy_dissagregation_mlops.service.problems import problem

logger = logging.getLogger(__name__)
access = logging.getLogger("energy_dissagregation_mlops.access")

ID_HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_ID = ID_HEADER.lower().encode()
_SETTLED = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)  # unless an answer says otherwise
_UNLOGGED = ("/health", "/metrics")  # asked every few seconds by machines


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and what it was answered with, when both are over."""

    method: str
    path: str
    route: str  # its template, or nothing where no route answered
    status: int
    seconds: float
    bytes_out: int
    client: str | None  # its address


Observer = Callable[[Exchange], None]
RawHeaders = list[tuple[bytes, bytes]]  # names in small letters


def identity(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id that a request brings, or a new one."""
    given = next((value for name, value in headers if name == _ID), b"").decode("latin-1")
    return given if _SANE.fullmatch(given) else secrets.token_hex(8)


def sealed(headers: RawHeaders, identity: str) -> RawHeaders:
    """An answer's headers with those that every answer has."""
    names = {name for name, _ in headers}
    return [*headers, (_ID, identity.encode()), *(each for each in _SETTLED if each[0] not in names)]


def conclude(exchange: Exchange, observers: Iterable[Observer]) -> None:
    """Let it be counted, and write its line of the access log."""
    for observer in observers:
        observer(exchange)
    if exchange.path.startswith(_UNLOGGED) or not access.isEnabledFor(logging.INFO):
        return
    added = {
        "method": exchange.method, "path": exchange.path, "status": exchange.status,
        "duration_ms": round(exchange.seconds * 1e3, 2), "bytes_out": exchange.bytes_out, "client": exchange.client,
    }  # fmt: skip
    # As `access.info` would, without looking at the stack for the place that this line is.
    told = (exchange.method, exchange.path, exchange.status)
    access.handle(
        access.makeRecord(access.name, logging.INFO, __file__, 0, "%s %s %d", told, None, extra=added)
    )


class Envelope:
    """ASGI middleware: the outermost of our own."""

    def __init__(self, app: ASGIApp, observers: tuple[Observer, ...] = ()) -> None:
        self._app = app
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and see to it that something sensible is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        token = request_id.set(identity(scope["headers"]))
        sending = _Sending(send, request_id.get())
        try:
            await self._app(scope, receive, sending)
        except Exception:
            logger.exception("a request failed through a fault of the server")
            if sending.status:
                raise  # half an answer is out: the connection must break
            await _last_resort(scope, receive, sending)
        finally:
            self._over(scope, sending, time.perf_counter() - began)
            request_id.reset(token)

    def _over(self, scope: Scope, sending: _Sending, seconds: float) -> None:
        client = scope.get("client")
        exchange = Exchange(
            method=scope["method"], path=scope["path"], route=getattr(scope.get("route"), "path", ""),
            status=sending.status, seconds=seconds, bytes_out=sending.num_bytes, client=client[0] if client else None,
        )  # fmt: skip
        conclude(exchange, self._observers)


async def _last_resort(scope: Scope, receive: Receive, send: Send) -> None:
    detail = (
        "the server failed on this request; tell its operator the request_id, under which the log has more"
    )
    await problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)(scope, receive, send)


class _Sending:
    """Passes an answer on, with the id in its headers, and remembers what went out."""

    def __init__(self, send: Send, identity: str) -> None:
        self._send = send
        self._identity = identity
        self.status = 0
        self.num_bytes = 0

    async def __call__(self, message: Message) -> None:
        """Pass one message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = sealed(list(message.get("headers", ())), self._identity)
        elif message["type"] == "http.response.body":
            self.num_bytes += len(message.get("body", b""))
        await self._send(message)
