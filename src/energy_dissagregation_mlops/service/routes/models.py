"""Which models there are, which one is in production, and the way forth and back, with a key."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field
from starlette.responses import Response

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.errors import BundleError, EdmlopsError, UnknownNameError
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.cards import CardAnswer, told
from energy_dissagregation_mlops.service.negotiation import JSON, body_type, is_gzipped
from energy_dissagregation_mlops.service.openapi import body_of
from energy_dissagregation_mlops.service.problems import RequestError, documented
from energy_dissagregation_mlops.service.readings import validated
from energy_dissagregation_mlops.service.schemas import Answer, PromotionRequest
from energy_dissagregation_mlops.service.security import KEYED, KEYED_ALWAYS
from energy_dissagregation_mlops.service.state import State, state_of
from energy_dissagregation_mlops.service.writing import answered


class ModelAnswer(Answer):
    """A model, and which of its versions is in production."""

    name: str
    versions: list[int]
    production: int | None


class ModelsAnswer(Answer):
    """Every model there is."""

    models: list[ModelAnswer]
    served: str | None = Field(description="name@version")


class ModelCardsAnswer(ModelAnswer):
    """A model with the card of each version."""

    cards: list[CardAnswer]


class PromotionAnswer(Answer):
    """What is in production now, and what this server serves of it."""

    name: str
    production: int
    served: str | None
    refused: str | None


router = APIRouter(dependencies=[KEYED], tags=["models"])


@router.get("/v1/models", response_model=ModelsAnswer)
def models(request: Request) -> Response:
    """Every model: your own, and those that ship with the package."""
    state = state_of(request)
    content = [_model(home, name) for name, home in _homes(state.engine.registry).items()]
    return answered({"models": content, "served": _served(state)})


@router.get("/v1/models/{name}", response_model=ModelCardsAnswer, responses=documented(404, 503))
def model(request: Request, name: str) -> Response:
    """A model's versions, with what each card says; one that can't be read is left out of the cards."""
    home = home_of(state_of(request).engine.registry, name)
    return answered({**_model(home, name), "cards": [told(card) for card in home.cards_of(name)]})


@router.post(
    "/v1/models/{name}/promote", dependencies=[KEYED_ALWAYS], response_model=PromotionAnswer,
    responses=documented(400, 403, 404, 408, 409, 413, 415, 422, 429), openapi_extra=body_of(PromotionRequest),
)  # fmt: skip
async def promote(request: Request, name: str) -> Response:
    """Put a version into production; the server takes it over once it is verified and warmed up."""
    state = state_of(request)
    body_type(request, (JSON,))
    if is_gzipped(request):
        raise RequestError(415, "expected a body that is not compressed", field="Content-Encoding")
    async with state.bodies.of(request) as body:
        version = validated(PromotionRequest, body, state.rules).version
    return await _moved(state, name, lambda registry: registry.promote(f"{name}@{version}"))


@router.post(
    "/v1/models/{name}/rollback", dependencies=[KEYED_ALWAYS], response_model=PromotionAnswer,
    responses=documented(403, 404, 409),
)  # fmt: skip
async def rollback(request: Request, name: str) -> Response:
    """Put the version back that was in production before."""
    return await _moved(state_of(request), name, lambda registry: registry.rollback(name))


async def _moved(state: State, name: str, move: Callable[[Registry], Bundle]) -> Response:
    registry = state.engine.registry

    def moved() -> Bundle:
        if name not in registry.names():
            raise UnknownNameError("model of your own", name, registry.names())
        return move(registry)

    try:
        found = await run_in_threadpool(moved)
    except UnknownNameError:
        raise
    except BundleError as error:
        raise RequestError(409, str(error)) from None
    except EdmlopsError as error:  # the folder can't be written
        raise RequestError(409, f"{error}, or use `edmlops models` where it can be written") from None
    await state.engine.refresh()
    refused = state.engine.status().refused
    return answered(
        {"name": name, "production": int(found.card.version), "served": _served(state), "refused": refused}
    )


def _homes(registry: Registry) -> dict[str, Registry]:
    """Where each model lives; one's own hide those that are shipped under the same name."""
    behind = registry.behind()
    shipped = {} if behind is None else dict.fromkeys(behind.names(), behind)
    return shipped | dict.fromkeys(registry.names(), registry)


def home_of(registry: Registry, name: str) -> Registry:
    """Where a model lives.

    Raises:
        UnknownNameError: there is no such model.
    """
    homes = _homes(registry)
    if name not in homes:
        raise UnknownNameError("model", name, homes)
    return homes[name]


def _model(home: Registry, name: str) -> dict[str, object]:
    return {"name": name, "versions": home.versions(name), "production": home.production(name)}


def _served(state: State) -> str | None:
    served = state.engine.status().served
    return None if served is None else served.bundle.card.reference
