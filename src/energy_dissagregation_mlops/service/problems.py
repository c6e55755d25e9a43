"""Errors as HTTP tells them: one shape, RFC 9457 problem details, for every status.

``STATUS`` is the one table of which error gives which status. A detail names the field and the remedy;
what a fault of our own was stays in the log, and the answer tells the request's id only.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from energy_dissagregation_mlops.errors import (
    BundleError,
    DataError,
    EdmlopsError,
    OverloadedError,
    TimeLimitError,
    UnavailableError,
    UnknownNameError,
)
from energy_dissagregation_mlops.service.logs import request_id

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "5"  # s: a server that starts, stops or changes its model does so within these
# Subclasses before what they derive from.
STATUS: Mapping[type[EdmlopsError], int] = {
    UnknownNameError: 404,
    DataError: 422,
    OverloadedError: 429,
    UnavailableError: 503,
    TimeLimitError: 503,
    BundleError: 503,
}


class Problem(BaseModel):
    """What went wrong and how to mend it (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Unprocessable Entity",
                    "status": 422,
                    "detail": "power.3: expected a finite number or null; found Infinity",
                    "field": "power.3",
                    "request_id": "5f0c8b2a9d6e4c31",
                }
            ]
        }
    )

    type: str = Field(description="always about:blank: the status says what kind it is")
    title: str
    status: int
    detail: str = Field(description="expected, found, and what to do")
    field: str | None = Field(default=None, description="where in the request; absent where it is the whole")
    error: str | None = Field(default=None, description="the detail again, under /v2 only")
    request_id: str = Field(description="the one in the X-Request-ID header and in the server's log")


class RequestError(EdmlopsError):
    """A request that can't be answered, with the status that says so."""

    def __init__(
        self, status: int, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.status = status
        self.field = field
        self.headers = dict(headers or {})


def problem(
    status: int, detail: str, *, field: str | None = None,
    headers: Mapping[str, str] | None = None, also: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    """An answer that says what is wrong; ``also`` is what an old client looks for beside it."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail.encode(errors="replace").decode(),
        **({"field": field} if field else {}),
        "request_id": request_id.get(),
        **(also or {}),
    }
    return Response(orjson.dumps(content), status, headers=headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let every error of the app's routes come out as a problem."""
    app.add_exception_handler(EdmlopsError, told)
    app.add_exception_handler(HTTPException, _routed)
    app.add_exception_handler(RequestValidationError, _invalid)


def documented(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The problems that a route may answer with, as OpenAPI lists them; a route that needs a key may add 401."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content} for status in sorted(statuses)
    }


def from_validation(error: ValidationError) -> RequestError:
    """The first thing that pydantic found wrong in a body; 400 where it is no JSON at all."""
    first = error.errors(include_url=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return RequestError(
            400, f"the body is no JSON ({first['msg'].removeprefix('Invalid JSON: ')}): correct it"
        )
    return _field_error(first["loc"], first["msg"], first["type"], first["input"])


def _field_error(location: tuple[int | str, ...], message: str, kind: str, found: object) -> RequestError:
    field = ".".join(str(part) for part in location if part not in ("body", "query", "path")) or None
    message = message.removeprefix("Value error, ")
    shown = "" if kind in ("missing", "value_error") else f"; found {shortened(found)}"
    return RequestError(422, message + shown, field=field)


def shortened(found: object) -> str:
    """A value as a message shows it."""
    if isinstance(found, dict | list):
        return "an object" if isinstance(found, dict) else "a list"
    text = json.dumps(found) if isinstance(found, float | bool | None) else repr(found)
    return text if len(text) <= 40 else f"{text[:37]}..."


def refusal(error: OverloadedError) -> Response:
    """The answer to a request that there is no room for; like every problem it bears the id of the current request."""
    return problem(STATUS[OverloadedError], str(error), headers={"Retry-After": str(error.retry_after)})


def told(request: Request, error: Exception) -> Response:
    """The answer to a request that ended in one of the package's errors; one without a status is our own fault."""
    assert isinstance(error, EdmlopsError)
    if isinstance(error, RequestError):
        detail = _without_folders(request, error)
        return _answered(request, error.status, detail, field=error.field, headers=error.headers)
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), None)
    if status is None:
        raise error
    headers = {}
    if isinstance(error, OverloadedError):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, UnavailableError):
        headers["Retry-After"] = RETRY_AFTER
    return _answered(request, status, _without_folders(request, error), headers=headers)


def _without_folders(request: Request, error: EdmlopsError) -> str:
    """What an error says, with models' names in place of the server's paths; those are for the log."""
    said = str(error)
    named: str = request.app.state.engine.registry.without_folders(said)
    if named != said:
        logger.warning("answered without the paths: %s", said)
    return named


def _routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code == 404:
        detail = f"there is nothing at {request.url.path!r}: see /docs for what there is"
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        detail = f"{request.method} is not for {request.url.path!r}: use {allowed}"
    return _answered(request, error.status_code, detail, headers=error.headers)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    told = _field_error(tuple(first["loc"]), first["msg"], first["type"], first.get("input"))
    return _answered(request, told.status, str(told), field=told.field)


def _answered(
    request: Request, status: int, detail: str, *,
    field: str | None = None, headers: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    # Clients of the Open Inference Protocol look for the message under this name.
    also = {"error": detail} if request.scope["path"].startswith("/v2") else {}
    return problem(status, detail, field=field, headers=headers, also=also)
