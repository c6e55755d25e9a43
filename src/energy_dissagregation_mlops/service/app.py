"""Puts the service together: routes, errors, what surrounds each request, and the engine's life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware.cors import CORSMiddleware

from energy_dissagregation_mlops import __version__
from energy_dissagregation_mlops.service import openapi, problems, state
from energy_dissagregation_mlops.service.engine import Engine
from energy_dissagregation_mlops.service.envelope import ID_HEADER, Envelope, Exchange, Observer
from energy_dissagregation_mlops.service.fast_path import FastPath
from energy_dissagregation_mlops.service.heads import HeadsAsGets
from energy_dissagregation_mlops.service.load_shedding import LoadShedder
from energy_dissagregation_mlops.service.routes import (
    disaggregation,
    health,
    inference_protocol,
    models,
    observation,
)
from energy_dissagregation_mlops.service.routes.page import add_page
from energy_dissagregation_mlops.service.rules import Rules

DESCRIPTION = (
    "One home's mains in, each appliance's power out. Power is in W, energy in kWh, time in seconds since 1970 (UTC). "
    "Errors are problem details (RFC 9457) that name the field and the remedy."
)
COMPUTING = {"/v1/disaggregate": disaggregation.disaggregate, "/predict": disaggregation.predict}
# /metrics tells more, and looking at each request whether a collector is there would cost 20 microseconds of it.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


def create_app(engine: Engine, rules: Rules) -> FastAPI:
    """The service over an engine, which starts and stops with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await engine.start()
        try:
            yield
        finally:
            await engine.stop()

    app = FastAPI(
        title="Energy disaggregation", version=__version__, description=DESCRIPTION, lifespan=lifespan,
        redirect_slashes=False, docs_url=None, redoc_url=None, telemetry=NO_TELEMETRY,
    )  # fmt: skip
    state.install(app, state.State(engine, rules))
    for routes in (disaggregation, models, inference_protocol, observation, health):
        app.include_router(routes.router)
    add_page(app)
    problems.install(app)
    openapi.describe(app, keyed=rules.key is not None)
    app.add_middleware(FastPath, engine=engine, handlers=COMPUTING)
    if rules.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=rules.cors_origins, allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "X-API-Key", "Content-Type", "Content-Encoding", ID_HEADER],
            expose_headers=[ID_HEADER, "Retry-After"],
        )  # fmt: skip
    app.add_middleware(HeadsAsGets)
    observers = (_counted_by(engine),)
    app.add_middleware(Envelope, observers=observers)
    # For a server that can ask it. What other pages are told of an answer is not known there.
    app.state.shedder = LoadShedder(engine, () if rules.cors_origins else COMPUTING, observers)
    return app


def _counted_by(engine: Engine) -> Observer:
    def count(exchange: Exchange) -> None:
        engine.telemetry.observe(
            route=exchange.route, method=exchange.method, status=exchange.status, seconds=exchange.seconds
        )

    return count
