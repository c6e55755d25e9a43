"""A service whose answers are known by arithmetic, and clients that speak to it without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.app import create_app
from energy_dissagregation_mlops.service.engine import Engine, EngineLimits
from energy_dissagregation_mlops.service.rules import Rules

Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def serving(registry: Registry, rules: Rules) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service over this registry."""
    limits = EngineLimits(threads=2, max_concurrent=64, time_limit=60)
    app = create_app(Engine(registry, limits=limits), rules)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client,
    ):
        yield client


@pytest.fixture
def serve(registry: Registry, make_bundle: Callable[..., Bundle]) -> Serve:
    """A client of a service with the plain bundle: ``async with serve(key="secret") as client``."""
    registry.promote(make_bundle().card.reference)

    def under(
        other: Registry | None = None, **rules: object
    ) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return serving(other or registry, Rules(**rules))  # type: ignore[arg-type]

    return under


@pytest.fixture
async def served(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    """The same under the default rules."""
    async with serve() as client:
        yield client
