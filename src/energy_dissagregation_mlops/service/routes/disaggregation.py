"""POST /v1/disaggregate and POST /predict: readings in, watts of each appliance out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from energy_dissagregation_mlops.service.answers import Form, answer, packed
from energy_dissagregation_mlops.service.bodies import inflated
from energy_dissagregation_mlops.service.negotiation import (
    CSV,
    CSV_NAMES,
    JSON,
    answer_type,
    body_type,
    is_gzipped,
    wants_gzip,
)
from energy_dissagregation_mlops.service.openapi import (
    DISAGGREGATION_RESPONSES,
    PREDICTION_RESPONSES,
    body_of,
    disaggregation_body,
)
from energy_dissagregation_mlops.service.plain import prediction
from energy_dissagregation_mlops.service.problems import RequestError, from_validation
from energy_dissagregation_mlops.service.readings import Asked, from_csv, from_json
from energy_dissagregation_mlops.service.rules import Rules
from energy_dissagregation_mlops.service.schemas import CsvOptions, PredictionRequest
from energy_dissagregation_mlops.service.security import KEYED
from energy_dissagregation_mlops.service.serving import Served
from energy_dissagregation_mlops.service.state import state_of

router = APIRouter(dependencies=[KEYED], tags=["disaggregation"])
_FORMS = (JSON, *CSV_NAMES)
_LISTS = ("appliances", "parts")


@router.post("/v1/disaggregate", responses=DISAGGREGATION_RESPONSES, openapi_extra=disaggregation_body())
async def disaggregate(request: Request) -> Response:
    """Say what each appliance took of a home's mains.

    Readings come as JSON, or as a meter's CSV with the options in the query; the answer is JSON, or with
    `Accept: text/csv` the table of power.
    """
    state = state_of(request)
    form = Form(media_type=answer_type(request, (JSON, CSV)), gzipped=wants_gzip(request))
    read = _reader(request, state.rules)
    zipped = is_gzipped(request)
    async with state.bodies.of(request) as body:
        found = await state.engine.run(
            partial(_answered, body, read, zipped=zipped, form=form, rules=state.rules)
        )
        if isinstance(found, bytes):
            return _response(found, form)
        elsewhere = partial(answer, found, form=form, rules=state.rules)
        return _response(await state.engine.run(elsewhere, bundle=found.options.bundle), form)


@router.post("/predict", responses=PREDICTION_RESPONSES, openapi_extra=body_of(PredictionRequest))
async def predict(request: Request) -> Response:
    """The short form: plain arrays in, plain arrays out, on the grid of the bundle in production."""
    state = state_of(request)
    form = Form(media_type=answer_type(request, (JSON,)), gzipped=wants_gzip(request))
    body_type(request, (JSON,))
    zipped = is_gzipped(request)
    async with state.bodies.of(request) as body:

        def work(served: Served) -> bytes:
            content = inflated(body, state.rules) if zipped else body
            return packed(prediction(content, served, state.rules), form)

        return _response(await state.engine.run(work), form)


Reader = Callable[[bytes], Asked]


def _reader(request: Request, rules: Rules) -> Reader:
    """What reads the body of this request."""
    if body_type(request, _FORMS) != JSON:
        return partial(from_csv, options=_csv_options(request), rules=rules)
    if request.query_params:
        raise RequestError(
            422, "expected options in the JSON body, found some in the query: move them there",
            field=next(iter(request.query_params)),
        )  # fmt: skip
    return partial(from_json, rules=rules)


def _csv_options(request: Request) -> CsvOptions:
    """The options in the query; lists are separated by commas, or given several times."""
    query = request.query_params
    content: dict[str, object] = dict(query)
    for name in _LISTS:
        if name in query:
            content[name] = [one.strip() for text in query.getlist(name) for one in text.split(",")]
    try:
        return CsvOptions.model_validate(content, strict=False)
    except ValidationError as error:
        raise from_validation(error) from None


def _answered(
    body: bytes, read: Reader, served: Served, *, zipped: bool, form: Form, rules: Rules
) -> bytes | Asked:
    """The answer, or what was asked where it is for another bundle."""
    asked = read(inflated(body, rules) if zipped else body)
    if asked.options.bundle not in (None, served.bundle.card.reference):
        return asked
    return answer(asked, served, form=form, rules=rules)


def _response(content: bytes, form: Form) -> Response:
    headers = {"Vary": "Accept, Accept-Encoding"}
    if form.gzipped:
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=form.media_type, headers=headers)
