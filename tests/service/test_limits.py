"""What is refused, with which status, and in which words: never 500, always a problem."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from energy_dissagregation_mlops.service import problems
from energy_dissagregation_mlops.service.bodies import Bodies
from energy_dissagregation_mlops.service.envelope import Envelope
from energy_dissagregation_mlops.service.problems import Problem
from energy_dissagregation_mlops.service.rules import Rules

pytestmark = pytest.mark.anyio

Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
T0 = 1_700_006_400
BODY = {"start": T0, "sample_period": 60, "power": [160, 2700, 110]}
JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}


def told(answer: httpx.Response, status: int) -> Problem:
    """The problem in an answer, which must be of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content, strict=True)
    assert (problem.status, problem.request_id) == (status, answer.headers["X-Request-ID"])
    return problem


# --- what is wrong with a request --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field", "detail"),
    [
        ({"power": []}, "power", "at least 1"),
        ({"power": [1, "much"]}, "power.1", "valid number; found 'much'"),
        ({"power": [1, "Infinity"]}, "power.1", "found 'Infinity'"),
        ({"power": [True]}, "power.0", "found true"),
        ({"power": "1"}, "power", "valid array"),
        ({"power": [None, None]}, None, "no usable reading"),
        ({"start": 0}, "start", "1990 to 2100"),
        ({"start": 1_717_200_000_000}, "start", "1990 to 2100"),
        ({"start": 10**400}, "start", "1990 to 2100"),
        ({"start": "05/06/2024 10:00"}, "start", "ISO 8601"),
        ({"start": "yesterday"}, "start", "found 'yesterday'"),
        ({"start": "2024-06-31"}, "start", "ISO 8601"),
        ({"start": "12:00"}, "start", "ISO 8601"),
        ({"start": ""}, "start", "ISO 8601"),
        ({"start": "2024-06-01\n2024-06-02"}, "start", "ISO 8601"),
        ({"start": True}, "start", "ISO 8601"),
        ({"start": [T0]}, "start", "found a list"),
        ({"start": "2024-03-31T01:30", "time_zone": "Europe/London"}, "start", "skip"),
        ({"start": 4_102_444_700}, "sample_period", "beyond 2100"),
        ({"sample_period": 0}, "sample_period", "greater than 0"),
        ({"sample_period": 1e9}, "sample_period", "86400"),
        ({"sample_period": None}, None, "give timestamps, or start and sample_period"),
        ({"timestamps": [T0] * 3}, None, "not both"),
        ({"appliances": ["ketle"]}, "appliances", "did you mean 'kettle'"),
        ({"appliances": []}, "appliances", "at least 1"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "IANA"),
        ({"time_zone": "../UTC"}, "time_zone", "IANA"),
        ({"time_zone": "\0"}, "time_zone", "IANA"),
        ({"price_per_kwh": -1}, "price_per_kwh", "greater than or equal to 0"),
        ({"max_gap": -1}, "max_gap", "greater than or equal to 0"),
        ({"parts": ["everything"]}, "parts.0", "'power'"),
        ({"watts": [1]}, "watts", "not permitted"),
    ],
)
async def test_a_field_that_is_wrong_is_named(
    served: httpx.AsyncClient, change: dict[str, Any], field: str | None, detail: str
) -> None:
    problem = told(await served.post("/v1/disaggregate", json=BODY | change), 422)
    assert problem.field == field
    assert detail in problem.detail


@pytest.mark.parametrize(
    ("timestamps", "field"),
    [
        ([T0], None),
        ([T0, "2024-06-01T00:00"], "timestamps.1"),
        ([T0, None], "timestamps.1"),
        (["2024-06-01T00:00", "2024-06-01T25:00"], "timestamps.1"),
        (["1969-06-01T00:00", "2024-06-01T25:00"], "timestamps.0"),
        ([T0, 4_102_444_800], "timestamps.1"),
        ([{}, []], "timestamps.0"),
    ],
)
async def test_a_time_that_is_wrong_is_named(
    served: httpx.AsyncClient, timestamps: list[object], field: str | None
) -> None:
    body = {"timestamps": timestamps, "power": [1, 2]}
    assert told(await served.post("/v1/disaggregate", json=body), 422).field == field


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999"])
async def test_numbers_that_json_does_not_know_are_named(served: httpx.AsyncClient, number: str) -> None:
    content = f'{{"start": {T0}, "sample_period": 60, "power": [1, {number}]}}'
    for path in ("/v1/disaggregate", "/predict"):
        text = content if path != "/predict" else f'{{"power": [1, {number}]}}'
        assert told(await served.post(path, content=text, headers=JSON), 422).field == "power.1"
    content = content.replace(str(T0), number).replace(f"1, {number}", "1")
    assert told(await served.post("/v1/disaggregate", content=content, headers=JSON), 422).field == "start"


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"power": [1}', b"\xff\xfe", b'{"power": "\xff"}', b'"\\ud800"']
)
async def test_what_is_no_json_is_a_bad_request(served: httpx.AsyncClient, content: bytes) -> None:
    for path in ("/v1/disaggregate", "/predict", "/v2/models/plain/infer"):
        told(await served.post(path, content=content, headers=JSON), 400)


@pytest.mark.parametrize("content", ["[]", "1", "null", "[" * 10_000, '{"a":' * 5000])
async def test_json_of_another_form_is_refused(served: httpx.AsyncClient, content: str) -> None:
    for path in ("/v1/disaggregate", "/predict", "/v2/models/plain/infer"):
        answer = await served.post(path, content=content, headers=JSON)
        told(answer, 422)


@pytest.mark.parametrize(
    "content",
    [
        "{" + ",".join(f'"{i}":1' for i in range(2000)) + "}",
        "{" + ",".join(f'"{i}" \n:1' for i in range(2000)) + "}",
        '{"power":[' + ",".join(["{}"] * 2000) + "]}",
        '{"timestamps":[' + ",".join(["[]"] * 2000) + "]}",
    ],
)
async def test_json_that_grows_when_it_is_read_is_refused_before(
    served: httpx.AsyncClient, content: str
) -> None:
    for path in ("/v1/disaggregate", "/predict", "/v2/models/plain/infer"):
        answer = await served.post(path, content=content, headers=JSON)
        assert "more than 1,000 lists, objects or names" in told(answer, 422).detail


async def test_colons_of_many_times_are_no_names(served: httpx.AsyncClient) -> None:
    times = [f"2024-06-01T{i // 60:02}:{i % 60:02}:00+01:00" for i in range(1440)]
    answer = await served.post("/v1/disaggregate", json={"timestamps": times, "power": [100] * 1440})
    assert answer.json()["num_samples"] == 1440


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "empty file"),
        (b"hello", "meter file"),
        (b"a,b\n1,2\n", "meter file"),
        (b"\x89PNG\r\n\x1a\n\0\0", "meter file"),
        (b"PK\x03\x04", "zip archive"),
        (b"time,power\n" + b"2024-06-01T00:00:00Z,x\n" * 3, "meter file"),
        (gzip.compress(gzip.compress(b"time,power\n")), "compressed twice"),
    ],
)
async def test_a_csv_that_is_none_is_told_in_words(
    served: httpx.AsyncClient, content: bytes, detail: str
) -> None:
    assert detail in told(await served.post("/v1/disaggregate", content=content, headers=CSV), 422).detail


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("price_per_kwh=x", "price_per_kwh"), ("parts=x", "parts.0"), ("nope=1", "nope"), ("unit=GW", "unit"),
        ("day_first=x", "day_first"), ("time_zone=x", None), ("mains_column=x", None), ("appliances=x", "appliances"),
    ],
)  # fmt: skip
async def test_a_query_that_is_wrong_is_named(
    served: httpx.AsyncClient, query: str, field: str | None
) -> None:
    content = "time,power\n" + "".join(f"{T0 + 60 * i},{i}\n" for i in range(5))
    answer = await served.post(f"/v1/disaggregate?{query}", content=content, headers=CSV)
    assert told(answer, 422).field == field


async def test_json_has_its_options_inside(served: httpx.AsyncClient) -> None:
    problem = told(await served.post("/v1/disaggregate?price_per_kwh=1", json=BODY), 422)
    assert problem.field == "price_per_kwh"


# --- what is not spoken here -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status", "field"),
    [
        ({"Content-Type": "text/html"}, 415, "Content-Type"),
        ({"Content-Type": "text/plain"}, 415, "Content-Type"),  # what `fetch` calls JSON that nobody names
        ({"Content-Type": ""}, 415, "Content-Type"),
        ({**JSON, "Content-Encoding": "br"}, 415, "Content-Encoding"),
        ({**JSON, "Accept": "text/html"}, 406, "Accept"),
        ({**JSON, "Accept": "application/json;q=0"}, 406, "Accept"),
    ],
)
async def test_another_language_is_refused(
    served: httpx.AsyncClient, headers: dict[str, str], status: int, field: str
) -> None:
    answer = await served.post("/v1/disaggregate", content=b"{}", headers=headers)
    assert told(answer, status).field == field


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"), ("text/*", "text/csv"), ("text/csv;q=0.5, */*;q=0.1", "text/csv"),
        ("text/csv;q=0.1, application/json", "application/json"), ("application/json;q=0.1, */*", "text/csv"), ("text/html, */*;q=x", "application/json"),
        (", ;q=1", "application/json"),
    ],
)  # fmt: skip
async def test_the_form_that_is_liked_best_is_given(
    served: httpx.AsyncClient, accept: str, media_type: str
) -> None:
    answer = await served.post("/v1/disaggregate", json=BODY, headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith(media_type)


async def test_what_is_not_there_is_told(served: httpx.AsyncClient) -> None:
    assert "/docs" in told(await served.get("/v3"), 404).detail
    assert "use POST" in told(await served.get("/predict"), 405).detail
    assert (await served.get("/predict")).headers["Allow"] == "POST"
    assert "plain" in told(await served.get("/v1/models/other"), 404).detail
    told(await served.get("/v2/models/other"), 404)
    told(await served.get(f"/v2/models/plain/versions/{'9' * 5000}"), 404)


# --- how much ----------------------------------------------------------------------------------------


async def pieces(count: int, sent: list[int]) -> AsyncIterator[bytes]:
    for _ in range(count):
        sent.append(1)
        yield b"1" * 1000


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(serve: Serve) -> None:
    async with serve(max_body_bytes=10_000) as client:
        for path in ("/v1/disaggregate", "/predict", "/v2/models/plain/infer"):
            answer = await client.post(path, content=b"1" * 10_001, headers=JSON)
            assert "10,000 bytes" in told(answer, 413).detail
            sent: list[int] = []
            told(await client.post(path, content=pieces(1000, sent), headers=JSON), 413)
            assert len(sent) < 20


@pytest.mark.parametrize(("announced", "status"), [("9" * 5000, 413), ("0" * 5000 + "20", 200)])
async def test_a_length_of_thousands_of_digits_is_no_fault_of_the_server(
    served: httpx.AsyncClient, announced: str, status: int
) -> None:
    headers = {**JSON, "Content-Length": announced}
    answer = await served.post("/predict", content=b'{"power": [1, 2, 3]}', headers=headers)
    assert answer.status_code == status


async def test_a_bomb_is_too_large_and_never_inflated(serve: Serve) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    async with serve(max_body_bytes=100_000) as client:
        for headers in ({**JSON, "Content-Encoding": "gzip"}, {**CSV, "Content-Encoding": "gzip"}, CSV):
            answer = await client.post("/v1/disaggregate", content=bomb, headers=headers)
            assert "inflated body" in told(answer, 413).detail


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"{}" * 99)[:-9], gzip.compress(b"{}") + b"x"])
async def test_a_damaged_compression_is_a_bad_request(served: httpx.AsyncClient, content: bytes) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    assert "gzip" in told(await served.post("/v1/disaggregate", content=content, headers=headers), 400).detail


async def test_more_readings_than_allowed_are_refused_in_every_form(serve: Serve) -> None:
    rows = "time,power\n" + "".join(f"{T0 + i},100\n" for i in range(1200))
    tensor = {"name": "mains", "datatype": "FP32", "shape": [2200], "data": [1] * 2200}
    async with serve(max_readings=1000, max_samples=1000) as client:
        answers = [
            await client.post("/v1/disaggregate", json=BODY | {"power": [1] * 1001}),
            await client.post("/predict", json={"power": [1] * 1001}),
            await client.post("/v1/disaggregate", content=rows, headers=CSV),
            await client.post("/v2/models/plain/infer", json={"inputs": [tensor]}),
        ]
    for answer in answers:
        assert "more than 1,000 readings" in told(answer, 422).detail


async def test_readings_years_apart_are_refused_before_they_are_laid_out(served: httpx.AsyncClient) -> None:
    body = {"timestamps": ["1990-01-01", "2099-12-31"], "power": [100, 200]}
    problem = told(await served.post("/v1/disaggregate", json=body), 422)
    assert "span 57," in problem.detail and "2,000,000" in problem.detail


async def test_a_body_that_does_not_come_is_given_up(serve: Serve) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    async with serve(body_time_limit=0.1) as client:
        told(await client.post("/predict", content=slow(), headers=JSON), 408)


async def test_what_takes_long_after_the_body_is_not_told_to_be_the_body() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"{}"}

    request = Request({"type": "http", "headers": []}, receive)
    with pytest.raises(TimeoutError, match="of the work"):
        async with Bodies(Rules()).of(request):
            raise TimeoutError("of the work")


async def test_bodies_that_wait_are_bounded_in_all(serve: Serve) -> None:
    async def waiting(seconds: float) -> AsyncIterator[bytes]:
        yield b"1" * 9000
        await asyncio.sleep(seconds)

    async with serve(max_body_bytes=10_000) as client:
        held = [
            asyncio.create_task(client.post("/predict", content=waiting(0.5), headers=JSON)) for _ in range(4)
        ]
        await asyncio.sleep(0.1)
        refused = await client.post("/predict", content=b"1" * 9000, headers=JSON)
        told(refused, 429)
        assert int(refused.headers["Retry-After"]) >= 1
        for each in held:
            told(await each, 400)
        assert (await client.post("/predict", json={"power": [1] * 900})).status_code == 200


async def test_what_fastapi_itself_finds_wrong_has_the_same_form() -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    def number(value: int) -> int:
        return value

    transport = httpx.ASGITransport(Envelope(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        assert told(await client.get("/?value=x"), 422).field == "value"
