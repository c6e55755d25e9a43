"""A request's body: read within limits of size, time and of what the server holds at once, and inflated."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice

from fastapi import Request
from starlette.requests import ClientDisconnect

from energy_dissagregation_mlops.errors import OverloadedError
from energy_dissagregation_mlops.service.problems import RequestError
from energy_dissagregation_mlops.service.rules import Rules

HELD_BODIES = 4  # so many bodies of the greatest size a worker holds at once, or more smaller ones
_GZIP_WINDOW = 16 + zlib.MAX_WBITS  # zlib's way of saying "with a gzip header"
_PIECE = 1 << 20
_MANY = 1000
_NAME = re.compile(rb'"[ \t\r\n]*:')


class Bodies:
    """Reads bodies, and counts what is held of them all."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._held = 0

    @asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[bytes]:
        """A request's body as it came, held until the block ends.

        Raises:
            RequestError: 413, it is too large; 408, it does not come; 400, it broke off.
            OverloadedError: too much is held already.
        """
        before = self._held
        pieces: list[bytes] = []
        try:
            await self._read(request, pieces)
            yield b"".join(pieces)
        finally:
            self._held -= sum(map(len, pieces))
            assert self._held >= 0, before

    async def _read(self, request: Request, pieces: list[bytes]) -> None:
        try:
            async with asyncio.timeout(self._rules.body_time_limit):
                await self._take(request, pieces)
        except TimeoutError:
            raise RequestError(
                408, f"the body was not there within {self._rules.body_time_limit:g} s: send it faster, or compressed",
                headers={"Connection": "close"},
            ) from None  # fmt: skip
        except ClientDisconnect:
            raise RequestError(
                400, "the connection was closed before the body was there: send it again"
            ) from None

    async def _take(self, request: Request, pieces: list[bytes]) -> None:
        limit, size = self._rules.max_body_bytes, 0
        announced = request.headers.get("Content-Length", "")
        if announced.isascii() and announced.isdecimal() and int(announced[:20]) > limit:
            raise too_large(limit)
        async for piece in request.stream():
            pieces.append(piece)
            self._held += len(piece)
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            if self._held > HELD_BODIES * limit:
                raise OverloadedError("the server holds as many bodies as it can: try again in a moment")


def inflated(body: bytes, rules: Rules) -> bytes:
    """A gzip body's content, every member of it.

    Raises:
        RequestError: 413, it is larger than ``max_body_bytes``; 400, it is damaged.
    """
    pieces: list[bytes] = []
    size = 0
    rest = body
    while rest:
        engine = zlib.decompressobj(_GZIP_WINDOW)
        while rest and not engine.eof:
            try:
                piece = engine.decompress(rest, _PIECE)
            except zlib.error as error:
                raise _damaged(str(error)) from None
            size += len(piece)
            if size > rules.max_body_bytes:
                raise too_large(rules.max_body_bytes, "inflated ")
            pieces.append(piece)
            rest = engine.unconsumed_tail
        if not engine.eof:
            raise _damaged("it ends too early")
        rest = engine.unused_data.lstrip(b"\0")  # padding after a member is allowed
    return b"".join(pieces)


def check_json(body: bytes, rules: Rules) -> None:
    """Refuse JSON that holds more than any request does, before records are made of it: they take 100 times the room.

    Raises:
        RequestError: 422, there are too many readings, lists, objects or names.
    """
    # A number and a time for each reading, and a hundred for all the rest.
    if (body.count(b",") - 100) // 2 > rules.max_readings:
        raise too_many_readings(rules)
    if body.count(b"[") + body.count(b"{") > _MANY or _has_many_names(body):
        raise RequestError(
            422,
            f"there are more than {_MANY:,} lists, objects or names in the JSON: send the readings as one list",
        )


def _has_many_names(body: bytes) -> bool:
    if body.count(b":") <= _MANY:
        return False
    return next(islice(_NAME.finditer(body), _MANY, None), None) is not None  # colons are in times as well


def too_many_readings(rules: Rules) -> RequestError:
    """The answer to more readings than are allowed."""
    detail = f"there are more than {rules.max_readings:,} readings: send fewer at a time"
    return RequestError(422, detail, field="power")


def too_large(limit: int, what: str = "") -> RequestError:
    """The answer to a body that is larger than ``limit`` bytes."""
    detail = f"the {what}body is larger than {limit:,} bytes: send fewer readings at a time"
    return RequestError(413, detail, headers={"Connection": "close"} if not what else {})


def _damaged(reason: str) -> RequestError:
    return RequestError(
        400, f"the body is no whole gzip data ({reason}): compress it again", field="Content-Encoding"
    )
