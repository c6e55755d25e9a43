"""The short way to the routes that compute, and the refusal of what there is no room for.

What can't be computed now is refused before anything is done for it: an overload is when refusing must cost least, and it
is those who were accepted who pay. What can be computed goes straight to its route's own function: FastAPI's routing and
dependencies would cost as much as everything else that a request needs beside the model (docs/log.md).
The routes stay where they are, and document themselves; a test proves that both ways give the same answers.

Plain ASGI around the routes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from energy_dissagregation_mlops.errors import EdmlopsError
from energy_dissagregation_mlops.service import problems
from energy_dissagregation_mlops.service.engine import Engine
from energy_dissagregation_mlops.service.security import require_key

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Route:
    """What a request was for, where no router was asked."""

    path: str


class FastPath:
    """ASGI middleware: answers POST to some paths itself, or refuses it while the engine is full."""

    def __init__(self, app: ASGIApp, engine: Engine, handlers: Mapping[str, Handler]) -> None:
        """One around ``app``; ``handlers`` are its routes' functions by their paths, with the key to be asked for."""
        self._app = app
        self._engine = engine
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, say when it is worth another try, or pass the request on."""
        handler = None
        if scope["type"] == "http" and scope["method"] == "POST":
            handler = self._handlers.get(scope["path"])
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _Route(scope["path"])
        response = await self._answered(handler, Request(scope, receive, send))
        await response(scope, receive, send)

    async def _answered(self, handler: Handler, request: Request) -> Response:
        try:
            if error := self._engine.overload():
                raise error
            await require_key(request)
            return await handler(request)
        except EdmlopsError as error:
            return problems.told(request, error)
