"""Whether the server lives, can answer, and what it is: for balancers, containers and people."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from energy_dissagregation_mlops import __version__
from energy_dissagregation_mlops.service.cards import CardAnswer, told
from energy_dissagregation_mlops.service.engine import EngineStatus
from energy_dissagregation_mlops.service.openapi import OPEN
from energy_dissagregation_mlops.service.problems import RETRY_AFTER
from energy_dissagregation_mlops.service.schemas import Answer, BundleAnswer
from energy_dissagregation_mlops.service.state import state_of
from energy_dissagregation_mlops.service.writing import answered


class HealthAnswer(Answer):
    """How the server is."""

    status: Literal["ok", "unavailable"]
    uptime: float = Field(description="s since the worker started")
    bundle: str | None = Field(default=None, description="name@version")
    sha256: str | None = None
    reason: str | None = Field(default=None, description="why it is unavailable")
    refused: str | None = Field(default=None, description="why a newer bundle was not taken")


class ServedAnswer(CardAnswer, BundleAnswer):
    """The card of the bundle that is served."""


class LimitsAnswer(Answer):
    """What a request may hold."""

    max_body_bytes: int
    max_readings: int
    max_samples: int


class InfoAnswer(Answer):
    """What a server is."""

    version: str
    bundle: ServedAnswer | None
    key_required: bool
    limits: LimitsAnswer


router = APIRouter(tags=[OPEN])
_UNAVAILABLE: dict[int | str, dict[str, object]] = {
    503: {"description": "It can't answer, and says why.", "model": HealthAnswer}
}


@router.get("/health", response_model=HealthAnswer, responses=_UNAVAILABLE)
async def health(request: Request) -> Response:
    """Whether the server can answer, with which bundle, or why not."""
    return _health(state_of(request).engine.status())


@router.get("/health/ready", response_model=HealthAnswer, responses=_UNAVAILABLE)
async def ready(request: Request) -> Response:
    """The same, for whoever decides where requests go."""
    return _health(state_of(request).engine.status())


@router.get("/health/live", response_model=HealthAnswer)
async def live(request: Request) -> Response:
    """That the process answers at all, for whoever restarts it."""
    return answered({"status": "ok", "uptime": state_of(request).engine.status().uptime})


@router.get("/info", response_model=InfoAnswer)
async def info(request: Request) -> Response:
    """What this server is, what its model knows, and what it accepts."""
    state = state_of(request)
    served = state.engine.status().served
    return answered(
        {
            "version": __version__,
            "bundle": None
            if served is None
            else {**told(served.bundle.card), "sha256": served.bundle.sha256},
            "key_required": state.rules.key is not None,
            "limits": {
                "max_body_bytes": state.rules.max_body_bytes,
                "max_readings": state.rules.max_readings,
                "max_samples": state.rules.max_samples,
            },
        }
    )


def _health(status: EngineStatus) -> Response:
    content: dict[str, object] = {"status": "ok" if status.ready else "unavailable", "uptime": status.uptime}
    if status.served is not None:
        content["bundle"] = status.served.bundle.card.reference
        content["sha256"] = status.served.bundle.sha256
    if status.reason:
        content["reason"] = status.reason
    if status.refused:
        content["refused"] = status.refused
    return answered(
        content, 200 if status.ready else 503, {} if status.ready else {"Retry-After": RETRY_AFTER}
    )
