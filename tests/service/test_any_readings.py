"""Whatever readings come, they are answered or refused in words: never 500, and energies always add up."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.app import create_app
from energy_dissagregation_mlops.service.engine import Engine, EngineLimits
from energy_dissagregation_mlops.service.rules import Rules

T0 = 1_711_843_200  # 2024-03-31 00:00 UTC, an hour before the clocks change in London
Ask = Callable[[str, bytes, str], httpx.Response]


@pytest.fixture
def ask(registry: Registry, make_bundle: Callable[..., Bundle]) -> Iterator[Ask]:
    """Ask one service many times, each from plain code."""
    registry.promote(make_bundle().card.reference)
    app = create_app(
        Engine(registry, limits=EngineLimits(threads=1, max_concurrent=4, time_limit=60)), Rules()
    )
    with asyncio.Runner() as runner:
        life = app.router.lifespan_context(app)
        runner.run(life.__aenter__())
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api", timeout=60)

        def asked(path: str, content: bytes, media_type: str) -> httpx.Response:
            return runner.run(client.post(path, content=content, headers={"Content-Type": media_type}))

        yield asked
        runner.run(client.aclose())
        runner.run(life.__aexit__(None, None, None))


# What meters write, and what broken ones, careless people and attackers do.
WATTS = st.one_of(st.none(), st.floats(0, 30_000), st.sampled_from([-5.0, -0.0, 1e30, 1e39, -1e308, 5e-324]))
ODD_WATTS = WATTS | st.sampled_from(
    [10**400, math.inf, -math.inf, math.nan, "Infinity", "1", True, [], {}]
)  # fmt: skip
OFFSETS = st.one_of(st.integers(0, 40).map(lambda minute: 60 * minute), st.floats(-86_400, 86_400))
ODD_OFFSETS = OFFSETS | st.sampled_from([1e9, -1e9, math.nan])
ZONES = st.sampled_from([None, "UTC", "Europe/London", "Pacific/Apia", "Australia/Lord_Howe"])
ODD_ZONES = ZONES | st.sampled_from(["Mars/Olympus", ""])
FORMS = st.sampled_from(["number", "zulu", "offset", "local", "space"])
ODD_FORMS = FORMS | st.just("slashes")
PERIODS = st.sampled_from([1, 6, 60, 90.5, 900, 86_400])
ODD_PERIODS = PERIODS | st.floats(allow_nan=True)


def written(seconds: float, form: str) -> object:
    """A time as numbers or text of one of the forms that ISO 8601 allows, and others."""
    if form == "number" or not math.isfinite(seconds):
        return seconds
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return {
        "zulu": moment.isoformat().replace("+00:00", "Z"),
        "offset": moment.astimezone().isoformat(),
        "local": moment.replace(tzinfo=None).isoformat(),
        "space": f"{moment:%Y-%m-%d %H:%M}",
        "slashes": f"{moment:%d/%m/%Y %H:%M}",
    }[form]


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    is_odd = draw(st.sampled_from([False, False, True]))
    power = draw(st.lists(ODD_WATTS if is_odd else WATTS, min_size=0 if is_odd else 1, max_size=40))
    body: dict[str, Any] = {"power": power, "time_zone": draw(ODD_ZONES if is_odd else ZONES)}
    form, offsets = draw(ODD_FORMS if is_odd else FORMS), ODD_OFFSETS if is_odd else OFFSETS
    if draw(st.booleans()):
        times = draw(st.lists(offsets, min_size=len(power), max_size=len(power) + is_odd))
        body["timestamps"] = [written(T0 + each, form) for each in times]
    else:
        body["start"] = written(T0 + draw(offsets), form)
        body["sample_period"] = draw(ODD_PERIODS if is_odd else PERIODS)
    return body


def check(answer: httpx.Response) -> None:
    """An answer whose parts add up, or a problem that says what is wrong."""
    if answer.status_code != 200:
        assert answer.status_code in (400, 413, 415, 422), answer.text
        assert answer.json()["detail"]
        return
    found = answer.json()
    parts = [*found["appliances"].values(), found["other"]]
    assert sum(part["energy_kwh"] for part in parts) == pytest.approx(
        found["total"]["energy_kwh"], rel=1e-4, abs=1e-6
    )
    length = found["num_samples"]
    assert {len(part["power"]) for part in parts} | {len(found["mains"])} == {length}
    missing = [watts is None for watts in found["mains"]]
    assert all([watts is None for watts in part["power"]] == missing for part in parts)
    assert all(0 <= watts <= 25_000 for watts in found["mains"] if watts is not None)
    assert sum(day["measured_seconds"] for day in found["total"]["days"]) == (length - sum(missing)) * 60


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests())
@example({"power": [], "timestamps": []})
@example({"power": [1], "timestamps": [T0]})
@example({"power": [1, 2, 3], "timestamps": [T0 + 120, T0 + 60, T0]})
@example({"power": [1, 2, 3], "timestamps": [T0, T0, T0]})
@example({"power": [1, 2], "timestamps": [T0, T0 + 5 * 365 * 86_400]})
@example({"power": [1] * 4, "timestamps": ["2024-10-27T00:30", "2024-10-27T01:30", "2024-10-27T01:30", "2024-10-27T02:30"], "time_zone": "Europe/London"})  # fmt: skip
@example(
    {"power": [1] * 3, "start": "2011-12-29T23:59", "sample_period": 86_400, "time_zone": "Pacific/Apia"}
)
def test_any_json_is_answered_or_refused(ask: Ask, body: dict[str, Any]) -> None:
    check(ask("/v1/disaggregate", json.dumps(body).encode(), "application/json"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(FORMS, OFFSETS, WATTS),
        max_size=12,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["time", "date", ""]),
    st.binary(max_size=4),
)
def test_any_table_is_answered_or_refused(
    ask: Ask, rows: list[tuple[str, float, object]], delimiter: str, name: str, rubbish: bytes
) -> None:
    lines = [f"{name}{delimiter}power"]
    lines += [f"{written(T0 + offset, form)}{delimiter}{watts}" for form, offset, watts in rows]
    check(ask("/v1/disaggregate", "\n".join(lines).encode() + rubbish, "text/csv"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from(["application/json", "text/csv"]))
@example(b"{}", "text/csv")
def test_any_bytes_are_answered_or_refused(ask: Ask, content: bytes, media_type: str) -> None:
    check(ask("/v1/disaggregate", content, media_type))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(WATTS, max_size=20) | st.lists(ODD_WATTS, max_size=20),
    st.sampled_from([None, 1, 30, 60, 61, 3600, 1e-9, 1e9]),
)
def test_the_short_form_answers_as_long_as_it_was_asked(
    ask: Ask, power: list[object], sample_period: float | None
) -> None:
    body = {"power": power, "sample_period": sample_period}
    answer = ask("/predict", json.dumps(body).encode(), "application/json")
    assert answer.status_code in (200, 422)
    if answer.status_code == 200:
        expected = max(1, math.ceil(len(power) * (sample_period or 60) / 60 - 1e-9))
        assert len(answer.json()["other"]) == expected


def test_a_million_rows_are_answered_in_either_form(ask: Ask, tmp_path: Path) -> None:
    time = T0 + 60 * np.arange(1_000_000)
    power = np.where(np.arange(1_000_000) % 480 < 3, 2600, 130)
    rows = "\n".join(f"{at},{watts}" for at, watts in zip(time, power, strict=True))
    parts = "parts=days&parts=quality"
    table = ask(f"/v1/disaggregate?{parts}", f"time,power\n{rows}".encode(), "text/csv")
    body = {"timestamps": time.tolist(), "power": power.tolist(), "parts": ["days", "quality"]}
    listed = ask("/v1/disaggregate", json.dumps(body).encode(), "application/json")
    assert table.status_code == listed.status_code == 200
    assert table.json() == listed.json()
    found = listed.json()
    assert (found["num_samples"], found["quality"]["readings"]) == (1_000_000, 1_000_000)
    assert found["appliances"]["kettle"]["energy_kwh"] == pytest.approx(6252 * 2500 / 60_000, rel=1e-3)
