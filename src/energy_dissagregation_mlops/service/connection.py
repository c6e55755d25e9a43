"""One connection: uvicorn's, which also asks the load shedder about each request, and tells when it is over.

A head that does not end or does not come is turned away: uvicorn would hold it without a limit, before any key is asked for.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle, Transport
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from energy_dissagregation_mlops.service.envelope import RawHeaders, identity, sealed
from energy_dissagregation_mlops.service.load_shedding import LoadShedder
from energy_dissagregation_mlops.service.logs import request_id
from energy_dissagregation_mlops.service.problems import problem

MAX_HEAD = 1 << 16  # bytes of a request's head, beside those that came with its first
# s without a request, and for a head to come: longer than the 60 s that most gateways keep a connection, since a request that
# meets its closing is lost.
HEAD_TIME_LIMIT = 75


class _Over:
    """Stands where uvicorn has a request and its answer, once the answer is out: what still comes of it is dropped."""

    response_complete = True

    def __init__(self) -> None:
        self.message_event = asyncio.Event()


class Connection(HttpToolsProtocol):
    """What uvicorn makes for each connection."""

    def __init__(
        self, *arguments: Any, shedder: LoadShedder, ended: Callable[[], None], **named: Any
    ) -> None:
        """As uvicorn's, with a load shedder to ask and whom to tell of its end."""
        super().__init__(*arguments, **named)
        self._shedder = shedder
        self._ended = ended
        self._over = _Over()
        self._in_head = False
        self._head_size = 0  # bytes
        self._head_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The connection is there."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._head_is_here()
        super().connection_lost(exc)
        self._ended()

    def data_received(self, data: bytes) -> None:
        """Take what came, as long as it is not too much of a head."""
        goes_on = self._in_head
        super().data_received(data)
        if goes_on and self._in_head:
            self._head_size += len(data)
        if self._in_head and self._head_size > MAX_HEAD:
            self._turn_away(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the request's head is larger than {MAX_HEAD:,} bytes: send fewer or shorter headers",
            )
        elif self._head_timer is None and (self._in_head or self._is_idle()):
            self._wait_for_head()

    def send_400_response(self, msg: str) -> None:
        """Tell who does not speak HTTP, as every error is told."""
        self._turn_away(HTTPStatus.BAD_REQUEST, "this is no HTTP/1.1 request: correct it")

    def on_message_begin(self) -> None:
        """A request's head begins."""
        super().on_message_begin()
        self._in_head, self._head_size = True, 0

    def on_headers_complete(self) -> None:
        """A request's head is here: answer at once where the load shedder refuses it."""
        self._in_head = False
        self._head_is_here()
        refused = self._refused() if self._is_plain() else None
        if refused is None:
            super().on_headers_complete()
        else:
            self._answer(*refused)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIME_LIMIT, self._head_is_late)

    def _head_is_here(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if not self._is_idle():  # the answer before it comes first
            self._wait_for_head()
        elif self._in_head:
            self._turn_away(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the request's head was not there within {HEAD_TIME_LIMIT} s: send it at once",
            )
        else:
            self.transport.close()

    def _turn_away(self, status: int, detail: str) -> None:
        """Say why, unless an answer is on its way that this would cut into, and close."""
        if self._is_idle() and not self.transport.is_closing():
            token = request_id.set(identity(()))
            try:
                self.logger.warning("turned a client away: %s", detail)
                answer = problem(status, detail, headers={"Connection": "close"})
                self._write(status, sealed(answer.raw_headers, request_id.get()), bytes(answer.body))
            finally:
                request_id.reset(token)
        self.transport.close()

    def _is_plain(self) -> bool:
        """Whether this is an ordinary request, and nothing before it is still to be answered."""
        return (
            self._is_idle()
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
        )

    def _refused(self) -> tuple[int, RawHeaders, bytes] | None:
        client = self.client[0] if self.client else None
        return self._shedder.refused(self.parser.get_method(), self.url, self.headers, client=client)

    def _answer(self, status: int, headers: RawHeaders, body: bytes) -> None:
        self.cycle = self._over  # type: ignore[assignment]
        self._write(status, headers, body)
        self.on_response_complete()

    def _write(self, status: int, headers: RawHeaders, body: bytes) -> None:
        lines = b"".join(b"%b: %b\r\n" % each for each in [*self.server_state.default_headers, *headers])
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], lines, body))
