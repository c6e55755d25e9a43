"""Who may: one key, compared in constant time. Without one, asking is free and changing is refused."""

from __future__ import annotations

import hmac

from fastapi import Depends, Request

from energy_dissagregation_mlops.service.problems import RequestError
from energy_dissagregation_mlops.service.state import state_of


async def require_key(request: Request) -> None:
    """Let a request with the key pass, and every request where none is configured.

    Raises:
        RequestError: 401, the key is absent or another.
    """
    rules = state_of(request).rules
    if rules.key is None:
        return
    if not hmac.compare_digest(_given(request), rules.key.encode()):
        raise RequestError(
            401, "expected the server's key, found none or another: send 'Authorization: Bearer KEY' or 'X-API-Key: KEY'",
            headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip


async def require_configured_key(request: Request) -> None:
    """Let a request with the key pass, and none where no key is configured.

    Raises:
        RequestError: 403, the server has no key; 401, the key is absent or another.
    """
    rules = state_of(request).rules
    if rules.key is None:
        raise RequestError(
            403, "this server has no key, and nobody may change its models over HTTP: set API_KEY or API_KEY_FILE, "
            "or use `edmlops models`",
        )  # fmt: skip
    await require_key(request)


KEYED = Depends(require_key)
KEYED_ALWAYS = Depends(require_configured_key)


def _given(request: Request) -> bytes:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip().encode("latin-1")
    return request.headers.get("X-API-Key", "").encode("latin-1")
