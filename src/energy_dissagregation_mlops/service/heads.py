"""HEAD wherever GET is (RFC 9110, section 9.1): what gateways and monitors ask a server's health with.

Plain ASGI around the routes. The server itself leaves the body out, for it was asked with HEAD.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadsAsGets:
    """ASGI middleware: the routes see GET where HEAD was asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, send)
        finally:
            scope["route"] = asked.get("route")  # whoever counts looks for it there
