from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import httpx

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.app import create_app
from energy_dissagregation_mlops.service.engine import Engine, EngineLimits
from energy_dissagregation_mlops.service.rules import Rules

LIMITS = EngineLimits(threads=1, max_concurrent=1)
BODY = {"power": [160, 2700, None, 110]}


def test_a_full_server_refuses_at_the_door_and_still_tells_its_health(
    registry: Registry, make_bundle: Callable[..., Bundle]
) -> None:
    registry.promote(make_bundle().card.reference)

    async def scenario() -> None:
        engine = Engine(registry, limits=LIMITS)
        await engine.start()
        transport = httpx.ASGITransport(create_app(engine, Rules()))
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
