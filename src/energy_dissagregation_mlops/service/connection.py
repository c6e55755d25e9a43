"""One connection: uvicorn's, which also asks the load shedder about each request, and tells when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from energy_dissagregation_mlops.service.envelope import RawHeaders
from energy_dissagregation_mlops.service.load_shedding import LoadShedder


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

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        self._ended()

    def on_headers_complete(self) -> None:
        """A request's head is here: answer at once where the load shedder refuses it."""
        refused = self._refused() if self._is_plain() else None
        if refused is None:
            super().on_headers_complete()
        else:
            self._answer(*refused)

    def _is_plain(self) -> bool:
        """Whether this is an ordinary request, and nothing before it is still to be answered."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
        )

    def _refused(self) -> tuple[int, RawHeaders, bytes] | None:
        client = self.client[0] if self.client else None
        return self._shedder.refused(self.parser.get_method(), self.url, self.headers, client=client)

    def _answer(self, status: int, headers: RawHeaders, body: bytes) -> None:
        self.cycle = self._over  # type: ignore[assignment]
        lines = b"".join(b"%b: %b\r\n" % each for each in [*self.server_state.default_headers, *headers])
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], lines, body))
        self.on_response_complete()
