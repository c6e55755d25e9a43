"""The engine with bundles whose answers are known by arithmetic, in real threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

import numpy as np
import pytest

from energy_dissagregation_mlops import bundle as bundles
from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.errors import (
    OverloadedError,
    TimeLimitError,
    UnavailableError,
    UnknownNameError,
)
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service import serving
from energy_dissagregation_mlops.service.engine import Engine, EngineLimits
from energy_dissagregation_mlops.service.serving import Served

LIMITS = EngineLimits(threads=1, max_concurrent=2, time_limit=30)
PATIENCE = 20  # s for what should take none


@asynccontextmanager
async def started(
    registry: Registry, *, limits: EngineLimits = LIMITS, model: str | None = None
) -> AsyncIterator[Engine]:
    engine = Engine(Registry(registry.root, shipped=None), limits=limits, model=model)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@pytest.fixture
def promoted(registry: Registry, make_bundle: Callable[..., Bundle]) -> Registry:
    registry.promote(make_bundle().card.reference)
    return registry


def reference(served: Served) -> str:
    return served.bundle.card.reference


def served_by(engine: Engine) -> str | None:
    served = engine.status().served
    return served and reference(served)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.01)


def kettle(served: Served) -> list[float]:
    found = served.disaggregator.disaggregate(np.array([160, 2700], np.float32), start=0.0)
    return [float(watts) for watts in found.power[0]]


def test_work_gets_what_is_served_and_runs_beside_the_event_loop(promoted: Registry) -> None:
    async def scenario() -> None:
        async with started(promoted) as engine:
            assert await engine.run(kettle) == [0, 2500]
            thread = await engine.run(lambda _: threading.current_thread())
            assert thread is not threading.current_thread()
            status = engine.status()
            assert (status.ready, status.reason, status.refused) == (True, "", None)

    asyncio.run(scenario())


def test_what_exceeds_the_limit_is_refused_at_once_and_the_rest_is_answered(promoted: Registry) -> None:
    async def scenario() -> None:
        async with started(promoted) as engine:
            gate = threading.Event()
            accepted = [asyncio.create_task(engine.run(lambda _: gate.wait(PATIENCE))) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(OverloadedError) as refused:
                await engine.run(kettle)
            assert refused.value.retry_after >= 1
            gate.set()
            assert await asyncio.gather(*accepted) == [True, True]
            assert await engine.run(kettle) == [0, 2500]

    asyncio.run(scenario())


def test_a_caller_is_told_when_time_is_up_and_the_thread_keeps_its_place_until_it_is_done(
    promoted: Registry,
) -> None:
    async def scenario() -> None:
        limits = EngineLimits(threads=1, max_concurrent=1, time_limit=0.05)
        async with started(promoted, limits=limits) as engine:
            gate = threading.Event()
            with pytest.raises(TimeLimitError, match=r"0\.05 s"):
                await engine.run(lambda _: gate.wait(PATIENCE))
            with pytest.raises(OverloadedError):
                await engine.run(kettle)
            gate.set()
            await until(lambda: b"edmlops_engine_requests 0.0" in engine.metrics())
            assert await engine.run(reference) == "plain@1"

    asyncio.run(scenario())


def test_work_whose_time_is_up_while_it_waits_is_never_begun(promoted: Registry) -> None:
    async def scenario() -> None:
        begun: list[str] = []
        async with started(
            promoted, limits=EngineLimits(threads=1, max_concurrent=2, time_limit=0.2)
        ) as engine:
            gate = threading.Event()
            first = asyncio.create_task(engine.run(lambda _: gate.wait(PATIENCE)))
            await asyncio.sleep(0)
            second = asyncio.create_task(engine.run(lambda served: begun.append(reference(served))))
            for task in (first, second):
                with pytest.raises(TimeLimitError):
                    await task
            gate.set()
        assert begun == []

    asyncio.run(scenario())


def test_an_error_of_the_work_comes_out_as_it_is(promoted: Registry) -> None:
    def broken(_: Served) -> None:
        raise TimeoutError("of the work itself")

    async def scenario() -> None:
        async with started(promoted) as engine:
            with pytest.raises(TimeoutError, match="of the work itself"):
                await engine.run(broken)

    asyncio.run(scenario())


def test_work_that_ends_as_its_time_is_up_is_answered(promoted: Registry) -> None:
    async def scenario() -> None:
        async with started(
            promoted, limits=EngineLimits(threads=1, max_concurrent=1, time_limit=0.2)
        ) as engine:
            gate = threading.Event()

            def end_late() -> None:
                gate.set()
                time.sleep(0.3)  # the loop finds the result and the time limit at once

            asyncio.get_running_loop().call_later(0.1, end_late)
            assert await engine.run(lambda _: gate.wait(PATIENCE))

    asyncio.run(scenario())


def test_work_knows_the_context_of_its_request(promoted: Registry) -> None:
    request: ContextVar[str] = ContextVar("request", default="none")

    async def scenario() -> None:
        async with started(promoted) as engine:
            request.set("mine")
            assert await engine.run(lambda _: request.get()) == "mine"

    asyncio.run(scenario())


def test_a_promoted_bundle_takes_over_while_work_goes_on_with_the_old_one(
    promoted: Registry, make_bundle: Callable[..., Bundle]
) -> None:
    async def scenario() -> None:
        async with started(promoted) as engine:
            gate, begun = threading.Event(), threading.Event()

            def slow(served: Served) -> str:
                begun.set()
                gate.wait(PATIENCE)
                return reference(served)

            under_way = asyncio.create_task(engine.run(slow))
            await asyncio.to_thread(begun.wait, PATIENCE)
            promoted.promote(make_bundle().card.reference)
            await until(lambda: served_by(engine) == "plain@2")  # nobody asked: it is watched for
            gate.set()
            assert await under_way == "plain@1"
            assert await engine.run(reference) == "plain@2"
            promoted.rollback("plain")
            await engine.refresh()
            assert await engine.run(reference) == "plain@1"

    asyncio.run(scenario())


def broken_alias(registry: Registry, _: Bundle) -> str:
    (registry.root / "plain" / "production.json").write_text("{")
    return "production.json"


def changed_graph(registry: Registry, bundle: Bundle) -> str:
    registry.promote(bundle.card.reference)
    bundle.graph.write_bytes(b"something else")
    return "has changed since it was written"


def sealed_nonsense(registry: Registry, bundle: Bundle) -> str:
    bundle.graph.write_bytes(b"something else")
    bundles.seal(bundle.folder)
    registry.promote(bundle.card.reference)
    return "no graph that ONNX Runtime can run"


def another_window(registry: Registry, bundle: Bundle) -> str:
    """A graph that loads, and fails when it is run."""
    card = bundle.card.model_copy(update={"window_length": bundle.card.window_length + 4})
    bundles.write_card(bundle.folder, card)
    bundles.seal(bundle.folder)
    registry.promote(bundle.card.reference)
    return "can't be run"


@pytest.mark.parametrize("breaking", [broken_alias, changed_graph, sealed_nonsense, another_window])
def test_a_broken_bundle_is_refused_once_and_the_old_one_goes_on(
    promoted: Registry,
    make_bundle: Callable[..., Bundle],
    caplog: pytest.LogCaptureFixture,
    breaking: Callable[[Registry, Bundle], str],
) -> None:
    async def scenario() -> None:
        async with started(promoted) as engine:
            reason = breaking(promoted, make_bundle())
            await engine.refresh()
            await engine.refresh()
            status = engine.status()
            assert status.ready
            assert status.refused is not None and reason in status.refused
            assert await engine.run(reference) == "plain@1"
            assert [reason in record.message for record in caplog.records if record.levelname == "ERROR"] == [
                True
            ]
            assert "plain@1 goes on" in caplog.text
            (promoted.root / "plain" / "production.json").write_text('{"production": 3, "history": [3]}')
            make_bundle()
            await engine.refresh()
            assert engine.status().refused is None
            assert await engine.run(reference) == "plain@3"

    asyncio.run(scenario())


def test_a_refused_bundle_is_tried_again_when_its_files_are_mended(
    promoted: Registry, make_bundle: Callable[..., Bundle]
) -> None:
    async def scenario() -> None:
        async with started(promoted) as engine:
            newer = make_bundle()
            graph = newer.graph.read_bytes()
            changed_graph(promoted, newer)
            await engine.refresh()
            assert engine.status().refused is not None
            assert b"\nedmlops_bundle_refused 1.0\n" in engine.metrics()
            newer.graph.write_bytes(graph)
            await engine.refresh()
            assert engine.status().refused is None
            assert b"\nedmlops_bundle_refused 0.0\n" in engine.metrics()
            assert served_by(engine) == "plain@2"

    asyncio.run(scenario())


def test_without_a_bundle_the_engine_says_why_and_takes_the_first_that_comes(
    registry: Registry, make_bundle: Callable[..., Bundle]
) -> None:
    async def scenario() -> None:
        async with started(registry) as engine:
            status = engine.status()
            assert not status.ready
            assert "no model is in production" in status.reason
            assert status.refused is None
            with pytest.raises(UnavailableError, match="no model is in production"):
                await engine.run(kettle)
            registry.promote(make_bundle().card.reference)
            await engine.refresh()
            assert await engine.run(kettle) == [0, 2500]

    asyncio.run(scenario())


def test_of_several_models_in_production_the_one_promoted_last_is_served_or_the_one_that_is_named(
    promoted: Registry, make_bundle: Callable[..., Bundle]
) -> None:
    async def scenario() -> None:
        async with started(promoted) as engine, started(promoted, model="plain") as named:
            promoted.promote(make_bundle("other").card.reference)
            for each in (engine, named):
                await each.refresh()
            assert (served_by(engine), served_by(named)) == ("other@1", "plain@1")

    asyncio.run(scenario())


def test_any_bundle_answers_by_its_name_and_few_are_kept(
    promoted: Registry, make_bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        make_bundle()
    loaded: list[str] = []
    load = Served.load.__func__  # type: ignore[attr-defined]

    def counted(cls: type[Served], bundle: Bundle, **rest: object) -> Served:
        loaded.append(bundle.card.reference)
        found = load(cls, bundle, **rest)
        assert isinstance(found, Served)
        return found

    monkeypatch.setattr(Served, "load", classmethod(counted))
    monkeypatch.setattr(serving, "MAX_OTHERS", 2)

    async def scenario() -> None:
        async with started(promoted) as engine:
            wanted = ["plain@1", "plain@2", "plain@3", "plain@2", "plain@4", "plain@3", "plain"]
            assert [await engine.run(reference, bundle=name) for name in wanted] == [*wanted[:-1], "plain@1"]
            with pytest.raises(UnknownNameError, match="plain"):
                await engine.run(reference, bundle="plian@1")

    asyncio.run(scenario())
    assert loaded == ["plain@1", "plain@2", "plain@3", "plain@4", "plain@3"]


def test_a_draining_engine_takes_no_more_and_finishes_what_it_took(promoted: Registry) -> None:
    async def scenario() -> None:
        async with started(promoted) as engine:
            gate = threading.Event()
            accepted = asyncio.create_task(engine.run(lambda _: gate.wait(PATIENCE)))
            await asyncio.sleep(0)
            engine.drain()
            status = engine.status()
            assert (status.ready, status.draining) == (False, True)
            with pytest.raises(UnavailableError, match="about to stop"):
                await engine.run(kettle)
            gate.set()
            assert await accepted is True

    asyncio.run(scenario())


def test_the_cores_are_shared_by_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energy_dissagregation_mlops.service.engine.available_cores", lambda: 8)
    assert [EngineLimits.sized(workers=workers).threads for workers in (1, 2, 3, 20)] == [8, 4, 2, 1]
    assert [EngineLimits.sized(workers=workers).runs for workers in (1, 2, 20)] == [8, 8, 8]
    assert EngineLimits.sized(workers=2).max_concurrent == 8
    assert EngineLimits.sized(max_concurrent=5).max_concurrent == 5
