"""The page at ``/`` and its files at ``/static``: as they lie in the package, for anyone, without a key.

It knows nothing of models: what the page shows, it asks of the other routes, as any client would.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).parents[1] / "web"
# Nothing but what this server sends is loaded or run, and no other site may frame the page.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # asked for anew by ETag: an upgraded server never meets an old page
}


class PageFiles(StaticFiles):
    """Files of the package, with the page's headers."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """The file, or 304 where the browser has it."""
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers.update(PAGE_HEADERS)
        return answer


def add_page(app: FastAPI) -> None:
    """Answer ``/`` and ``/static/*``."""
    app.mount("/static", PageFiles(directory=WEB), name="static")

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def page() -> FileResponse:
        """The page."""
        return FileResponse(WEB / "index.html", headers=PAGE_HEADERS)
