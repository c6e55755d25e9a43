"""Who may ask, who may change, what is logged of it, and what other pages may do."""

from __future__ import annotations

import errno
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service import logs
from energy_dissagregation_mlops.service.envelope import Envelope
from energy_dissagregation_mlops.service.problems import Problem

pytestmark = pytest.mark.anyio

Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
KEY = "sésame"
GOOD = {"Authorization": b"Bearer " + KEY.encode()}
BODY = {"power": [160, 2700, 110]}


# --- the key -----------------------------------------------------------------------------------------


async def test_with_a_key_everything_asks_for_it_but_what_is_of_the_server(serve: Serve) -> None:
    async with serve(key=KEY) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert len(paths) > 15
        for path, operations in paths.items():
            for method, operation in operations.items():
                answer = await client.request(method, path.format(name="plain", version="1"))
                is_open = operation["tags"] == ["server"]
                assert (answer.status_code == 401) == (not is_open), path
                assert ("WWW-Authenticate" in answer.headers) == (not is_open)
        assert (await client.get("/docs")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [GOOD, {"Authorization": b"bearer  " + KEY.encode()}, {"X-API-Key": KEY.encode()}],
)
async def test_the_key_is_taken_in_either_header(serve: Serve, headers: dict[str, bytes]) -> None:
    async with serve(key=KEY) as client:
        assert (await client.post("/predict", json=BODY, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": "Bearer"}, {"Authorization": f"Basic {KEY}".encode()}, {"X-API-Key": "sesame"},
        {"Authorization": b"Bearer " + KEY.encode() + b"2"}, {"X-API-Key": b"\xff"},
    ],
)  # fmt: skip
async def test_another_key_is_refused_before_the_body_is_read(
    serve: Serve, headers: dict[str, bytes | str]
) -> None:
    async with serve(key=KEY) as client:
        answer = await client.post("/predict", content=b"no JSON", headers=headers)
        assert answer.status_code == 401
        assert "X-API-Key" in Problem.model_validate_json(answer.content).detail


# --- promotion ---------------------------------------------------------------------------------------


async def test_without_a_key_nobody_changes_models(serve: Serve, registry: Registry) -> None:
    async with serve() as client:
        for path in ("promote", "rollback"):
            answer = await client.post(f"/v1/models/plain/{path}", json={"version": 1}, headers=GOOD)
            assert answer.status_code == 403
            assert "API_KEY" in answer.json()["detail"]


async def test_a_version_is_promoted_served_and_rolled_back(
    serve: Serve, registry: Registry, make_bundle: Callable[..., Bundle]
) -> None:
    make_bundle()
    async with serve(key=KEY) as client:
        promoted = await client.post("/v1/models/plain/promote", json={"version": 2}, headers=GOOD)
        assert promoted.json() == {"name": "plain", "production": 2, "served": "plain@2", "refused": None}
        assert (await client.get("/health")).json()["bundle"] == "plain@2"
        assert registry.production("plain") == 2
        back = await client.post("/v1/models/plain/rollback", headers=GOOD)
        assert back.json()["served"] == "plain@1"
        again = await client.post("/v1/models/plain/rollback", headers=GOOD)
        assert (again.status_code, "no earlier version" in again.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("plain/promote", {"version": 9}, 404),
        ("plain/promote", {"version": "1"}, 422),
        ("plain/promote", {}, 422),
        ("other/promote", {"version": 1}, 404),
        ("simulated/promote", {"version": 1}, 404),
        ("../rollback", {}, 404),
        ("%2e%2e/rollback", {}, 404),
        ("plain@1/rollback", {}, 404),
    ],
)
async def test_what_cannot_be_promoted_is_told(
    serve: Serve, path: str, body: dict[str, object], status: int
) -> None:
    async with serve(key=KEY) as client:
        answer = await client.post(f"/v1/models/{path}", json=body, headers=GOOD)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_broken_version_is_not_promoted(serve: Serve, make_bundle: Callable[..., Bundle]) -> None:
    (make_bundle().folder / "model.onnx").write_bytes(b"broken")
    async with serve(key=KEY) as client:
        answer = await client.post("/v1/models/plain/promote", json={"version": 2}, headers=GOOD)
        assert (answer.status_code, "changed" in answer.json()["detail"]) == (409, True)
        assert (await client.get("/health")).json()["bundle"] == "plain@1"


async def test_a_broken_version_hides_no_other(serve: Serve, make_bundle: Callable[..., Bundle]) -> None:
    (make_bundle().folder / "card.json").write_bytes(b"broken")
    async with serve(key=KEY) as client:
        told = (await client.get("/v1/models/plain", headers=GOOD)).json()
        assert (told["versions"], [card["version"] for card in told["cards"]]) == ([1, 2], ["1"])


async def test_a_broken_pointer_hides_no_other_model(
    serve: Serve, registry: Registry, make_bundle: Callable[..., Bundle]
) -> None:
    make_bundle("other")
    async with serve() as client:
        (registry.root / "other" / "production.json").write_text("{")
        told = (await client.get("/v1/models")).json()["models"]
        production = {each["name"]: each["production"] for each in told}
        assert (production["plain"], production["other"]) == (1, None)


async def test_no_client_is_told_where_models_lie(
    serve: Serve, registry: Registry, make_bundle: Callable[..., Bundle], caplog: pytest.LogCaptureFixture
) -> None:
    broken = make_bundle()
    async with serve(key=KEY) as client:
        registry.promote(broken.card.reference)
        broken.graph.write_bytes(b"broken")
        make_bundle("other")
        (registry.root / "other" / "production.json").write_text("{")
        answers = [
            await client.post("/v1/models/plain/promote", json={"version": 2}, headers=GOOD),
            await client.get("/v2/models/plain/versions/2", headers=GOOD),
            await client.get("/v2/models/other", headers=GOOD),
            await client.post(
                "/v1/disaggregate",
                json=BODY | {"start": 1.7e9, "sample_period": 60, "bundle": "none@1"},
                headers=GOOD,
            ),
            await client.post("/v1/models/plain/rollback", headers=GOOD),
            await client.get("/health"),
        ]
    assert [answer.status_code for answer in answers] == [409, 503, 503, 404, 200, 200]
    assert "plain/2/model.onnx has changed" in answers[0].json()["detail"]
    assert "production.json can't be read" in answers[-1].json()["refused"]
    assert [answer.text for answer in answers if str(registry.root) in answer.text] == []
    assert f"{broken.graph} has changed" in caplog.text


@pytest.mark.parametrize("move", ["promote", "rollback"])
async def test_models_that_can_only_be_read_are_not_changed_and_the_way_that_is_left_is_told(
    move: str,
    serve: Serve,
    registry: Registry,
    make_bundle: Callable[..., Bundle],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(path: Path, *_: object, **__: object) -> None:  # a mount that root can't write either
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    async with serve(key=KEY) as client:
        registry.promote(make_bundle().card.reference)
        monkeypatch.setattr(Path, "write_text", refused)
        answer = await client.post(f"/v1/models/plain/{move}", json={"version": 1}, headers=GOOD)
        assert answer.status_code == 409
        detail = answer.json()["detail"]
        assert "Read-only file system" in detail and "`edmlops models` where it can be written" in detail
        assert registry.production("plain") == 2


# --- ids and logs ------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, object]]]]:
    """What the service logs as JSON from here on."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.getLogger("energy_dissagregation_mlops")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("given", "taken"), [("order-66", True), ("a b", False), ("x" * 129, False), ("\t", False)]
)
async def test_a_sane_id_is_kept_and_another_replaced(
    served: httpx.AsyncClient, given: str, taken: bool
) -> None:
    found = (await served.get("/info", headers={"X-Request-ID": given})).headers["X-Request-ID"]
    assert (found == given) == taken
    assert found.strip()


async def test_a_request_is_logged_with_its_id_and_health_is_not(
    served: httpx.AsyncClient, lines: Callable[[], list[dict[str, object]]]
) -> None:
    for path in ("/health", "/health/ready", "/metrics"):
        await served.get(path)
    await served.post("/predict?secret=1", json=BODY, headers={"X-Request-ID": "mine"})
    (line,) = [line for line in lines() if str(line["logger"]).endswith("access")]
    assert (line["method"], line["path"], line["status"], line["request_id"]) == (
        "POST",
        "/predict",
        200,
        "mine",
    )
    assert "secret" not in json.dumps(line)
    assert line["level"] == "info" and float(str(line["duration_ms"])) > 0


def test_text_is_for_people_and_shows_the_same() -> None:
    record = logging.LogRecord("room", logging.WARNING, "file", 1, "look at %d", (5,), None)
    record.status = 200
    assert logs.TextFormatter().format(record).endswith("WARNING room: look at 5 status=200")
    failed = logging.LogRecord("room", logging.ERROR, "file", 1, "odd \ud800", (), None)
    assert json.loads(logs.JsonFormatter().format(failed))["level"] == "error"


async def test_a_fault_of_our_own_tells_its_id_and_nothing_else(
    lines: Callable[[], list[dict[str, object]]],
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret inside")

    transport = httpx.ASGITransport(Envelope(broken))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        answer = await client.get("/x", headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.json()["request_id"]) == (500, "mine")
    assert "secret" not in answer.text
    assert "secret inside" in str(lines()[0]["exception"]) and lines()[0]["request_id"] == "mine"


# --- other pages -------------------------------------------------------------------------------------


async def test_other_origins_are_named_or_shut_out(serve: Serve) -> None:
    asking = {"Origin": "https://home.example", "Access-Control-Request-Method": "POST"}
    async with serve() as client:
        assert (await client.options("/predict", headers=asking)).status_code == 405
        answer = await client.get("/info", headers={"Origin": "https://home.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers
    async with serve(cors_origins=("https://home.example",)) as client:
        allowed = await client.options("/predict", headers=asking)
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://home.example"
        other = await client.get("/info", headers={"Origin": "https://other.example"})
        assert "Access-Control-Allow-Origin" not in other.headers
