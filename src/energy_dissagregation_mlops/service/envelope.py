"""Around every request: its id, the access log, the headers of every answer, and the last resort.

Plain ASGI, since it runs on every request. It does not know what a request is about.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from energy_dissagregation_mlops.service.logs import request_id
from energy_dissagregation_mlops.service.problems import problem

logger = logging.getLogger(__name__)
access = logging.getLogger("energy_dissagregation_mlops.access")

ID_HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
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


Observer = Callable[[Exchange], None]


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
        given = Headers(scope=scope).get(ID_HEADER, "")
        token = request_id.set(given if _SANE.fullmatch(given) else secrets.token_hex(8))
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
        exchange = Exchange(
            method=scope["method"], path=scope["path"], route=getattr(scope.get("route"), "path", ""),
            status=sending.status, seconds=seconds, bytes_out=sending.num_bytes,
        )  # fmt: skip
        for observer in self._observers:
            observer(exchange)
        if exchange.path.startswith(_UNLOGGED) or not access.isEnabledFor(logging.INFO):
            return
        client = scope.get("client")
        added = {
            "method": exchange.method, "path": exchange.path, "status": exchange.status,
            "duration_ms": round(seconds * 1e3, 2), "bytes_out": exchange.bytes_out,
            "client": client[0] if client else None,
        }  # fmt: skip
        # As `access.info` would, without looking at the stack for the place that this line is.
        told = (exchange.method, exchange.path, exchange.status)
        access.handle(
            access.makeRecord(access.name, logging.INFO, __file__, 0, "%s %s %d", told, None, extra=added)
        )


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
            headers = MutableHeaders(scope=message)
            headers[ID_HEADER] = self._identity
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cache-Control", "no-store")
        elif message["type"] == "http.response.body":
            self.num_bytes += len(message.get("body", b""))
        await self._send(message)
