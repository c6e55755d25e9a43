"""The door of a busy server: what can't be computed now is refused before anything is done for it.

Plain ASGI around the routes. An overload is when refusing must cost least: a refusal through routing, dependencies and
body takes three times as long, and takes it from those who were accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from energy_dissagregation_mlops.service.engine import Engine
from energy_dissagregation_mlops.service.problems import problem


@dataclass(frozen=True, slots=True)
class _Route:
    """What a request was for, where no router was asked."""

    path: str


class Gate:
    """ASGI middleware: refuses requests to some paths while the engine is full."""

    def __init__(self, app: ASGIApp, engine: Engine, paths: frozenset[str]) -> None:
        self._app = app
        self._engine = engine
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say when it is worth another try."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self._paths:
            error = self._engine.overload()
            if error is not None:
                scope["route"] = _Route(scope["path"])
                headers = {"Retry-After": str(error.retry_after)}
                refusal = problem(HTTPStatus.TOO_MANY_REQUESTS, str(error), headers=headers)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
