"""Refusals by a request's head alone, before it becomes a task: an overload is when refusing must cost least.

They are what the fast path would answer, told, counted and logged as there. A request that came by a proxy is left to it,
behind which uvicorn looks up who sent it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from http import HTTPStatus

from energy_dissagregation_mlops.service.engine import Engine
from energy_dissagregation_mlops.service.envelope import (
    Exchange,
    Observer,
    RawHeaders,
    conclude,
    identity,
    sealed,
)
from energy_dissagregation_mlops.service.logs import request_id
from energy_dissagregation_mlops.service.problems import refusal

_BY_PROXY = b"x-forwarded-for"


class LoadShedder:
    """Looks at heads of requests, and turns away what the engine has no room for."""

    def __init__(self, engine: Engine, paths: Collection[str], observers: Iterable[Observer]) -> None:
        """One for these paths, whose requests compute."""
        self._engine = engine
        self._paths = {path.encode(): path for path in paths}
        self._observers = tuple(observers)

    def refused(
        self, method: bytes, target: bytes, headers: RawHeaders, *, client: str | None
    ) -> tuple[int, RawHeaders, bytes] | None:
        """Status, headers and body of a refusal, or None where the request may pass.

        Args:
            method: of the request.
            target: its path and query, as they came.
            headers: names in small letters.
            client: its address.
        """
        path = self._paths.get(target.partition(b"?")[0]) if method == b"POST" else None
        if path is None or any(name == _BY_PROXY for name, _ in headers):
            return None
        error = self._engine.overload()
        if error is None:
            return None
        began = time.perf_counter()
        token = request_id.set(identity(headers))
        try:
            answer = refusal(error)
            conclude(
                Exchange(
                    method="POST", path=path, route=path, status=HTTPStatus.TOO_MANY_REQUESTS, client=client,
                    seconds=time.perf_counter() - began, bytes_out=len(answer.body),
                ),
                self._observers,
            )  # fmt: skip
            return answer.status_code, sealed(answer.raw_headers, request_id.get()), bytes(answer.body)
        finally:
            request_id.reset(token)
