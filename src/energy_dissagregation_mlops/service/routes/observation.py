"""What has been served: numbers for Prometheus, and drift against the training homes."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.responses import Response

from energy_dissagregation_mlops.errors import UnavailableError
from energy_dissagregation_mlops.service.openapi import OPEN, Responses
from energy_dissagregation_mlops.service.problems import documented
from energy_dissagregation_mlops.service.schemas import DriftAnswer
from energy_dissagregation_mlops.service.security import KEYED
from energy_dissagregation_mlops.service.state import state_of
from energy_dissagregation_mlops.service.telemetry import CONTENT_TYPE
from energy_dissagregation_mlops.service.writing import answered

router = APIRouter()
_TEXT: Responses = {
    200: {
        "description": "Prometheus's text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


@router.get("/metrics", tags=[OPEN], response_class=Response, responses=_TEXT)
def metrics(request: Request) -> Response:
    """Numbers for Prometheus, summed over the workers."""
    return Response(state_of(request).engine.metrics(), headers={"Content-Type": CONTENT_TYPE})


@router.get(
    "/v1/drift", tags=["models"], dependencies=[KEYED], response_model=DriftAnswer, responses=documented(503)
)
def drift(request: Request) -> Response:
    """What was served lately against what the served model was trained on."""
    engine = state_of(request).engine
    record = engine.drift()
    if record is None:
        raise UnavailableError(engine.status().reason)
    content = asdict(record)
    return answered({"bundle": content.pop("reference"), **content})
