"""The API's routes. Computation runs in worker threads, never on the event loop.

It serves the bundle that was in production when it started.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from energy_dissagregation_mlops import __version__
from energy_dissagregation_mlops.errors import EdmlopsError
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.schemas import (
    MAX_SAMPLES,
    DisaggregationAnswer,
    DisaggregationRequest,
)


class UnusableReadingsError(EdmlopsError):
    """Readings of the right form, of which no answer can be made."""


def create_app(registry: Registry) -> FastAPI:
    """The API over the registry's production bundle; without one it starts, and says so in /health."""
    disaggregator, reason = _loaded(registry)
    app = FastAPI(title="Energy disaggregation", version=__version__)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(UnusableReadingsError, _unusable)

    @app.get("/health")
    def health() -> Response:
        """Whether the service can answer, with which bundle, or why not."""
        if disaggregator is None:
            return JSONResponse({"status": "unavailable", "reason": reason}, 503)
        return JSONResponse({"status": "ok", "bundle": disaggregator.card.reference})

    @app.post("/v1/disaggregate", response_model=DisaggregationAnswer)
    def disaggregate(request: DisaggregationRequest) -> Response | DisaggregationAnswer:
        """Say what each appliance took of a home's mains."""
        if disaggregator is None:
            return _problem(503, "no model is served", reason)
        return _answer(disaggregator, request)

    return app


def _loaded(registry: Registry) -> tuple[Disaggregator | None, str]:
    try:
        return Disaggregator.load(registry.resolve()), ""
    except EdmlopsError as error:
        return None, str(error)


def _answer(disaggregator: Disaggregator, request: DisaggregationRequest) -> DisaggregationAnswer:
    readings = request.readings()
    samples = (readings.time.max() - readings.time.min()) / disaggregator.card.sample_period
    if samples > MAX_SAMPLES:
        raise UnusableReadingsError(
            f"the readings span {samples:,.0f} samples: expected at most {MAX_SAMPLES:,}; send fewer at a time"
        )
    resampler = disaggregator.resampler()
    resampler.add(readings)
    mains = resampler.result()
    if mains is None:
        raise UnusableReadingsError("no reading is a number: expected power in W; send some")
    found = disaggregator.disaggregate(mains.power, start=mains.start)
    return DisaggregationAnswer.of(found, bundle=disaggregator.card.reference)


def _problem(status: int, title: str, detail: str) -> JSONResponse:
    """RFC 9457 problem details."""
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(content, status, media_type="application/problem+json")


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return _problem(422, "the request is not as expected", f"{where}: {first['msg']}".removeprefix(": "))


def _unusable(_: Request, error: Exception) -> JSONResponse:
    return _problem(422, "nothing can be said of these readings", str(error))
