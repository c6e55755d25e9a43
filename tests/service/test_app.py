"""The API over HTTP, with a bundle whose answers are known by arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.app import create_app

T0 = 1_700_006_400


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def client(registry: Registry) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(registry)), base_url="http://api")


@pytest.fixture
def served(registry: Registry, make_bundle: Callable[..., Bundle]) -> httpx.AsyncClient:
    registry.promote(make_bundle().card.reference)
    return client(registry)


@pytest.mark.anyio
async def test_watts_in_watts_out(served: httpx.AsyncClient) -> None:
    body = {"start": T0, "sample_period": 60, "power": [160, 2700, None, None, None, None, None, 110]}
    answer = await served.post("/v1/disaggregate", json=body)
    assert answer.status_code == 200
    found = answer.json()
    assert found["bundle"] == "plain@1"
    assert (found["start"], found["sample_period"]) == (T0, 60)
    assert found["mains"] == [160, 2700, None, None, None, None, None, 110]
    assert found["appliances"]["kettle"]["power"] == [0, 2500, None, None, None, None, None, 0]
    assert found["appliances"]["fridge"]["power"] == [100, 100, None, None, None, None, None, 0]
    assert found["other"] == [60, 100, None, None, None, None, None, 110]
    assert found["appliances"]["kettle"]["energy_kwh"] == pytest.approx(2500 / 60_000)


@pytest.mark.anyio
async def test_times_in_any_order(served: httpx.AsyncClient) -> None:
    body = {"timestamps": [T0 + 60, T0, T0 + 120], "power": [2700, 160, 110]}
    assert (await served.post("/v1/disaggregate", json=body)).json()["mains"] == [160, 2700, 110]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"power": []}, "power"),
        ({"power": [1]}, "give timestamps, or start and sample_period"),
        ({"power": [1], "timestamps": [T0, T0]}, "2 timestamps for 1 readings"),
        ({"power": ["much"], "start": T0, "sample_period": 60}, "power.0"),
        ({"power": [1], "start": 0, "sample_period": 60}, "start"),
        ({"power": [1, 2], "timestamps": [T0, 4_000_000_000]}, "send fewer"),
        ({"power": [None], "start": T0, "sample_period": 60}, "no reading is a number"),
        ({"watts": [1]}, "power"),
    ],
)
async def test_what_is_wrong_is_named(
    served: httpx.AsyncClient, body: dict[str, object], detail: str
) -> None:
    answer = await served.post("/v1/disaggregate", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert detail in answer.json()["detail"]


@pytest.mark.anyio
async def test_health_says_what_is_served_or_why_nothing_is(
    served: httpx.AsyncClient, registry: Registry
) -> None:
    assert (await served.get("/health")).json() == {"status": "ok", "bundle": "plain@1"}
    empty = client(Registry(registry.root / "none", shipped=None))
    answer = await empty.get("/health")
    assert answer.status_code == 503
    assert "no model is in production" in answer.json()["reason"]
    assert (
        await empty.post("/v1/disaggregate", json={"power": [1], "start": T0, "sample_period": 60})
    ).status_code == 503
