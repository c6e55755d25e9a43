from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service import app
from energy_dissagregation_mlops.service.engine import Engine, EngineLimits
from energy_dissagregation_mlops.service.rules import Rules

LIMITS = EngineLimits(threads=1, max_concurrent=1)
BODY = {"power": [160, 2700, None, 110]}
CSV = b"time,power\n2024-06-01T00:00:00Z,120\n2024-06-01T00:01:00Z,2900\n"


def test_a_full_server_refuses_at_the_door_and_still_tells_its_health(
    registry: Registry, make_bundle: Callable[..., Bundle]
) -> None:
    registry.promote(make_bundle().card.reference)

    async def scenario() -> None:
        engine = Engine(registry, limits=LIMITS)
        await engine.start()
        transport = httpx.ASGITransport(app.create_app(engine, Rules()))
        gate = threading.Event()
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            held = asyncio.create_task(engine.run(lambda _: gate.wait(20)))
            await asyncio.sleep(0)
            # Nothing of it is looked at: another media type would be 415.
            refused = await client.post("/predict", content=b"[", headers={"Content-Type": "text/plain"})
            assert refused.status_code == 429
            assert refused.headers["content-type"] == "application/problem+json"
            assert int(refused.headers["Retry-After"]) >= 1
            assert refused.json()["request_id"] == refused.headers["X-Request-ID"]
            assert (await client.get("/health")).status_code == 200
            metrics = (await client.get("/metrics")).text
            assert 'edmlops_requests_total{method="POST",route="/predict",status="429"} 1.0' in metrics
            assert 'edmlops_engine_refusals_total{reason="overloaded"} 1.0' in metrics
            gate.set()
            assert await held is True
            assert (await client.post("/predict", json=BODY)).status_code == 200
        await engine.stop()

    asyncio.run(scenario())


REQUESTS = [
    ("/predict", {"json": BODY}),
    ("/predict", {"json": BODY, "headers": {"Accept-Encoding": "gzip"}}),
    ("/predict", {"json": BODY, "headers": {"Accept": "text/csv"}}),
    ("/predict", {"json": {"power": []}}),
    ("/predict", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
    ("/predict", {"json": BODY, "headers": {"Authorization": "Bearer another"}}),
    ("/predict?price=1", {"json": BODY}),
    ("/v1/disaggregate", {"json": {**BODY, "start": 1_717_200_000, "sample_period": 60, "price_per_kwh": 0.3}}),
    ("/v1/disaggregate", {"json": {**BODY, "start": 1_717_200_000, "sample_period": 60, "bundle": "none@1"}}),
    ("/v1/disaggregate", {"json": {**BODY, "start": 1_717_200_000, "sample_period": 60, "appliances": ["tv"]}}),
    ("/v1/disaggregate?parts=days,power", {"content": CSV, "headers": {"Content-Type": "text/csv"}}),
    ("/v1/disaggregate?unit=V", {"content": CSV, "headers": {"Content-Type": "text/csv", "Accept": "text/csv"}}),
    ("/v1/disaggregate", {"content": b"x" * 3000, "headers": {"Content-Type": "text/csv"}}),
    ("/v1/disaggregate", {"content": b"\x1f\x8b", "headers": {"Content-Type": "text/csv", "Content-Encoding": "gzip"}}),
    ("/v1/disaggregate", {"content": CSV, "headers": {"Content-Type": "image/png"}}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "request_"), REQUESTS)
def test_the_short_way_answers_as_the_routes_do(
    path: str, request_: dict[str, Any], registry: Registry, make_bundle: Callable[..., Bundle],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    registry.promote(make_bundle().card.reference)

    async def answered(*, by_fast_path: bool) -> tuple[int, dict[str, str], bytes]:
        engine = Engine(registry, limits=EngineLimits(threads=1, max_concurrent=4))
        with monkeypatch.context() as without:
            if not by_fast_path:
                without.setattr(app, "COMPUTING", {})
            served = app.create_app(engine, Rules(key="secret", max_body_bytes=2000))
        transport = httpx.ASGITransport(served)
        headers = {"Authorization": "Bearer secret", "X-Request-ID": "one"} | request_.get("headers", {})
        async with (
            served.router.lifespan_context(served),
            httpx.AsyncClient(transport=transport, base_url="http://api") as client,
        ):
            answer = await client.post(path, **{**request_, "headers": headers})
            counted = (
                f'route="{path.partition("?")[0]}",status="{answer.status_code}"'
                in (await client.get("/metrics")).text
            )
            assert counted
            return answer.status_code, dict(answer.headers), answer.content

    assert asyncio.run(answered(by_fast_path=True)) == asyncio.run(answered(by_fast_path=False))
