"""What has been served: numbers for Prometheus, and drift against the training homes."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from energy_dissagregation_mlops.errors import UnavailableError
from energy_dissagregation_mlops.service.openapi import OPEN, Responses
from energy_dissagregation_mlops.service.problems import documented
from energy_dissagregation_mlops.service.schemas import Answer
from energy_dissagregation_mlops.service.security import KEYED
from energy_dissagregation_mlops.service.state import state_of
from energy_dissagregation_mlops.service.telemetry import CONTENT_TYPE
from energy_dissagregation_mlops.service.writing import answered


class FeatureAnswer(Answer):
    """One feature of what was served beside the same of the training homes."""

    name: str
    edges: list[float] = Field(description="W, between the bins; none where the bins are no ranges")
    expected: list[float] = Field(description="share of each bin in training")
    found: list[float] = Field(description="share of each bin in what was served")
    psi: float | None = Field(description="population stability index; null below 14 days of mains")
    verdict: str = Field(description="like, somewhat unlike, unlike, or too little to say")


class DriftAnswer(Answer):
    """What was served lately against what the model was trained on."""

    bundle: str = Field(description="name@version")
    sha256: str
    since: float = Field(description="s since 1970: from when on it is counted")
    requests: int
    samples: int
    missing_samples: int
    outside_range: float = Field(description="share of the measured samples; 0.02 in training")
    features: list[FeatureAnswer]


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
