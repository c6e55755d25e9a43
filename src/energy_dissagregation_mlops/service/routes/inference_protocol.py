"""The Open Inference Protocol under /v2, so that existing clients work: mains in, power and on-states out.

A model's input is a home's mains of any length on its grid (``sample_period`` in the metadata's properties), not
the graph's windows: answers are those of /predict.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field
from starlette.responses import Response

from energy_dissagregation_mlops import __version__
from energy_dissagregation_mlops.service.answers import Form, packed
from energy_dissagregation_mlops.service.bodies import inflated
from energy_dissagregation_mlops.service.negotiation import JSON, body_type, is_gzipped, wants_gzip
from energy_dissagregation_mlops.service.openapi import COMPUTING, OPEN, Responses, body_of
from energy_dissagregation_mlops.service.plain import disaggregated
from energy_dissagregation_mlops.service.problems import RequestError, documented
from energy_dissagregation_mlops.service.routes.models import home_of
from energy_dissagregation_mlops.service.rules import Rules
from energy_dissagregation_mlops.service.schemas import Answer
from energy_dissagregation_mlops.service.security import KEYED
from energy_dissagregation_mlops.service.serving import Served
from energy_dissagregation_mlops.service.state import state_of
from energy_dissagregation_mlops.service.tensors import (
    JSON_LENGTH,
    InferenceAnswer,
    InferenceRequest,
    Tensor,
    put_together,
    taken_apart,
    tensor,
)
from energy_dissagregation_mlops.service.writing import answered


class ProtocolReadyAnswer(Answer):
    """Whether a server or a model is live or ready; the status says the same."""

    name: str | None = None
    live: bool | None = None
    ready: bool | None = None


class ProtocolServerAnswer(Answer):
    """What a server of the Open Inference Protocol is."""

    name: str
    version: str
    extensions: list[str]


class TensorAnswer(Answer):
    """A tensor's form; -1 is any length."""

    name: str
    datatype: str
    shape: list[int]


class ProtocolModelAnswer(Answer):
    """A model's inputs and outputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorAnswer]
    outputs: list[TensorAnswer]
    properties: dict[str, str] = Field(description="sample_period in s; appliances, in order of the rows")


router = APIRouter(prefix="/v2")
BINARY = "application/octet-stream"
INPUT = "mains"
_MODEL = "/models/{name}"
_VERSION = "/models/{name}/versions/{version}"
_NOT_READY: Responses = {503: {"description": "It is not.", "model": ProtocolReadyAnswer}}
_METADATA: Responses = documented(404, 408, 429, 503)
_INFERRED: Responses = {
    200: {"description": "The tensors.", "model": InferenceAnswer},
    **documented(404, *(status for status in COMPUTING if status != 406)),
}


@router.get("/health/live", tags=[OPEN], response_model=ProtocolReadyAnswer)
async def live() -> Response:
    """That the server lives."""
    return answered({"live": True})


@router.get("/health/ready", tags=[OPEN], response_model=ProtocolReadyAnswer, responses=_NOT_READY)
async def ready(request: Request) -> Response:
    """Whether the server can infer."""
    is_ready = state_of(request).engine.status().ready
    return answered({"ready": is_ready}, 200 if is_ready else 503)


@router.get("", tags=[OPEN], response_model=ProtocolServerAnswer)
async def server() -> Response:
    """What the server is."""
    return answered(
        {"name": "energy-dissagregation-mlops", "version": __version__, "extensions": ["binary_tensor_data"]}
    )


@router.get(
    _MODEL, tags=["protocol"], dependencies=[KEYED], response_model=ProtocolModelAnswer, responses=_METADATA
)
async def model(request: Request, name: str) -> Response:
    """A model's inputs and outputs."""
    return await model_version(request, name, "")


@router.get(
    _VERSION, tags=["protocol"], dependencies=[KEYED], response_model=ProtocolModelAnswer, responses=_METADATA
)
async def model_version(request: Request, name: str, version: str) -> Response:
    """The same of one version."""
    engine = state_of(request).engine
    home = await run_in_threadpool(home_of, engine.registry, name)
    metadata = await engine.run(_metadata, bundle=_reference(request, name, version))
    return answered({**metadata, "versions": [str(each) for each in home.versions(name)]})


@router.get(
    f"{_MODEL}/ready", tags=["protocol"], dependencies=[KEYED], response_model=ProtocolReadyAnswer,
    responses=_METADATA,
)  # fmt: skip
async def model_ready(request: Request, name: str) -> Response:
    """That a model can infer."""
    return await model_version_ready(request, name, "")


@router.get(
    f"{_VERSION}/ready", tags=["protocol"], dependencies=[KEYED], response_model=ProtocolReadyAnswer,
    responses=_METADATA,
)  # fmt: skip
async def model_version_ready(request: Request, name: str, version: str) -> Response:
    """The same of one version."""
    await state_of(request).engine.run(_metadata, bundle=_reference(request, name, version))
    return answered({"name": name, "ready": True})


@router.post(
    f"{_MODEL}/infer", tags=["protocol"], dependencies=[KEYED], responses=_INFERRED,
    openapi_extra=body_of(InferenceRequest),
)  # fmt: skip
async def infer(request: Request, name: str) -> Response:
    """Take mains apart: `mains` FP32 [T] or [1, T], in W on the model's grid."""
    return await infer_version(request, name, "")


@router.post(
    f"{_VERSION}/infer", tags=["protocol"], dependencies=[KEYED], responses=_INFERRED,
    openapi_extra=body_of(InferenceRequest),
)  # fmt: skip
async def infer_version(request: Request, name: str, version: str) -> Response:
    """The same with one version."""
    state = state_of(request)
    json_length = request.headers.get(JSON_LENGTH)
    if json_length is None and "Content-Type" in request.headers:  # Triton's client names none
        body_type(request, (JSON,))
    form = Form(media_type=JSON, gzipped=wants_gzip(request))
    zipped = is_gzipped(request)
    async with state.bodies.of(request) as body:
        work = partial(_inferred, body, json_length, zipped=zipped, form=form, rules=state.rules)
        content, length = await state.engine.run(work, bundle=_reference(request, name, version))
    headers = {} if length is None else {JSON_LENGTH: str(length)}
    if form.gzipped:
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=JSON if length is None else BINARY, headers=headers)


def _reference(request: Request, name: str, version: str) -> str | None:
    """The bundle that is meant; a model without a version means the one of it that is served."""
    served = state_of(request).engine.status().served
    if not version and served is not None and served.bundle.card.name == name:
        return None
    return (f"{name}@{version}" if version else name)[:200]  # Python reads no number of 4,300 digits


def _metadata(served: Served) -> dict[str, object]:
    card = served.bundle.card
    num = len(card.appliances)
    return {
        "name": card.name,
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": INPUT, "datatype": "FP32", "shape": [-1]}],
        "outputs": [
            {"name": "power", "datatype": "FP32", "shape": [num, -1]},
            {"name": "on", "datatype": "BOOL", "shape": [num, -1]},
            {"name": "other", "datatype": "FP32", "shape": [-1]},
        ],
        "properties": {"sample_period": str(card.sample_period), "appliances": ",".join(card.appliance_names)},
    }  # fmt: skip


def _inferred(
    body: bytes, json_length: str | None, served: Served, *, zipped: bool, form: Form, rules: Rules
) -> tuple[bytes, int | None]:
    content = inflated(body, rules) if zipped else body
    found = taken_apart(content, json_length, rules)
    mains = tensor(found, INPUT)
    if not 0 < len(mains) <= rules.max_samples:
        raise RequestError(
            422, f"expected from 1 to {rules.max_samples:,} readings of one home, found {len(mains):,}",
            field="inputs",
        )  # fmt: skip
    card = served.bundle.card
    parts = disaggregated(mains.astype(np.float32), served, sample_period=card.sample_period, rules=rules)
    outputs: dict[str, Tensor] = {"power": parts.power, "on": parts.on, "other": parts.other}
    answer, length = put_together(found, outputs, name=card.name, version=card.version)
    return packed(answer, form), length
