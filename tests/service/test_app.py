"""The API over HTTP, with a bundle whose answers are known by arithmetic."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import httpx
import pytest

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.routes.health import HealthAnswer, InfoAnswer
from energy_dissagregation_mlops.service.routes.models import ModelCardsAnswer, ModelsAnswer
from energy_dissagregation_mlops.service.routes.observation import DriftAnswer
from energy_dissagregation_mlops.service.rules import Rules
from energy_dissagregation_mlops.service.schemas import DisaggregationAnswer, PredictionAnswer

pytestmark = pytest.mark.anyio

Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
T0 = 1_700_006_400  # 2023-11-15 00:00 UTC
MAINS = [160, 2700, None, None, None, None, None, 110]
BODY = {"start": T0, "sample_period": 60, "power": MAINS}


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


# --- what is answered --------------------------------------------------------------------------------


async def test_watts_in_watts_out(served: httpx.AsyncClient) -> None:
    answer = await served.post("/v1/disaggregate", json=BODY)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["bundle"]["name"], found["bundle"]["version"]) == ("plain", "1")
    assert (found["start"], found["sample_period"], found["num_samples"]) == (T0, 60, 8)
    assert found["mains"] == MAINS
    assert found["appliances"]["kettle"]["power"] == [0, 2500, None, None, None, None, None, 0]
    assert found["appliances"]["kettle"]["on"] == [False, True, *[False] * 6]
    assert found["appliances"]["fridge"]["power"] == [100, 100, None, None, None, None, None, 0]
    assert found["other"]["power"] == [60, 100, None, None, None, None, None, 110]


async def test_energy_share_and_cost_are_those_of_the_power(served: httpx.AsyncClient) -> None:
    found = (await served.post("/v1/disaggregate", json=BODY | {"price_per_kwh": 0.5})).json()
    whole, kettle = 160 + 2700 + 110, 2500
    one = found["appliances"]["kettle"]
    assert one["energy_kwh"] == pytest.approx(kettle / 60_000)
    assert one["share"] == pytest.approx(kettle / whole)
    assert one["cost"] == pytest.approx(kettle / 60_000 * 0.5)
    assert one["days"] == [
        {
            "date": "2023-11-15", "energy_kwh": one["energy_kwh"], "cost": one["cost"],
            "energy_low_kwh": None, "energy_high_kwh": None,
        }
    ]  # fmt: skip
    (use,) = one["activations"]
    assert (use["start"], use["end"], use["peak"]) == (T0 + 60, T0 + 120, 2500)
    assert found["other"]["energy_kwh"] == pytest.approx((60 + 100 + 110) / 60_000)
    (day,) = found["total"]["days"]
    assert day["measured_seconds"] == 180
    assert found["total"]["energy_kwh"] == day["energy_kwh"] == pytest.approx(whole / 60_000)


async def test_a_bundle_without_calibration_says_so(served: httpx.AsyncClient) -> None:
    found = (await served.post("/v1/disaggregate", json=BODY)).json()
    kettle = found["appliances"]["kettle"]
    assert found["interval_level"] is None
    assert (kettle["energy_low_kwh"], kettle["energy_high_kwh"], kettle["present"]) == (None, None, None)
    assert kettle["absent"] is False and "power_low" not in kettle


async def test_intervals_and_presence_of_a_calibrated_bundle(
    serve: Serve, calibrated: Bundle, registry: Registry
) -> None:
    registry.promote(calibrated.card.reference)
    async with serve() as client:
        answer = await client.post("/v1/disaggregate", json=BODY)
        DisaggregationAnswer.model_validate_json(answer.content, strict=True)
        found = answer.json()
        kettle = found["appliances"]["kettle"]
        assert found["interval_level"] == 0.8
        assert kettle["energy_low_kwh"] <= kettle["energy_kwh"] <= kettle["energy_high_kwh"]
        (day,) = kettle["days"]
        assert day["energy_low_kwh"] <= day["energy_kwh"] <= day["energy_high_kwh"]
        assert 0.4 < kettle["present"] < 0.6  # eight minutes say nothing
        assert "power_low" not in kettle
        asked = await client.post("/v1/disaggregate", json=BODY | {"parts": ["power", "power_interval"]})
        DisaggregationAnswer.model_validate_json(asked.content, strict=True)
        one = asked.json()["appliances"]["kettle"]
        assert one["power_low"] == one["power_high"] == one["power"] == [0, 2500, *[None] * 5, 0]


async def test_what_is_probably_not_there_draws_nothing(
    serve: Serve, calibrated: Bundle, registry: Registry
) -> None:
    registry.promote(calibrated.card.reference)
    quiet = [110.0, 90.0] * 720 * 28  # four weeks
    quiet[3000] = 2700  # once as a kettle
    async with serve() as client:
        found = (await client.post("/v1/disaggregate", json=BODY | {"power": quiet})).json()
    kettle = found["appliances"]["kettle"]
    assert kettle["absent"] and kettle["present"] < 0.2
    assert kettle["energy_kwh"] == 0 and kettle["activations"] == [] and set(kettle["power"]) == {0}
    assert found["other"]["power"][3000] == 2600  # the fridge has the rest


async def test_the_answer_is_as_documented(served: httpx.AsyncClient) -> None:
    for body in (BODY, BODY | {"parts": []}, BODY | {"price_per_kwh": 1, "parts": ["days", "quality"]}):
        answer = await served.post("/v1/disaggregate", json=body)
        DisaggregationAnswer.model_validate_json(answer.content, strict=True)
    PredictionAnswer.model_validate_json(
        (await served.post("/predict", json={"power": MAINS})).content, strict=True
    )


async def test_parts_that_are_not_wanted_are_left_out(served: httpx.AsyncClient) -> None:
    found = (
        await served.post("/v1/disaggregate", json=BODY | {"parts": [], "appliances": ["kettle"]})
    ).json()
    assert found.keys() == {
        "bundle", "start", "sample_period", "num_samples", "time_zone", "interval_level", "appliances", "total"
    }  # fmt: skip
    assert found["appliances"].keys() == {"kettle"}
    assert found["appliances"]["kettle"].keys() == {
        "energy_kwh", "energy_low_kwh", "energy_high_kwh", "share", "cost", "present", "absent"
    }  # fmt: skip
    assert found["total"].keys() == {"energy_kwh", "cost"}


async def test_another_bundle_answers_where_it_is_named(
    serve: Serve, make_bundle: Callable[..., object]
) -> None:
    make_bundle("second")
    async with serve() as client:
        answer = await client.post("/v1/disaggregate", json=BODY | {"bundle": "second@1"})
        assert answer.json()["bundle"]["name"] == "second"
        unknown = await client.post("/v1/disaggregate", json=BODY | {"bundle": "third"})
        assert (unknown.status_code, "third" in unknown.json()["detail"]) == (404, True)


async def test_the_short_form_gives_as_many_samples_as_it_was_given_time(served: httpx.AsyncClient) -> None:
    found = (await served.post("/predict", json={"power": [None, 160, 2700, None, None, None, None]})).json()
    assert (found["bundle"], found["sample_period"]) == ("plain@1", 60)
    assert found["appliances"]["kettle"] == [None, 0, 2500, None, None, None, None]
    assert found["other"] == [None, 60, 100, None, None, None, None]
    finer = (
        await served.post("/predict", json={"power": [100, 120, 3000, 3000], "sample_period": 30})
    ).json()
    assert finer["appliances"]["kettle"] == [0, 2500]
    assert finer["other"] == [110, 400]


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_a_meter_that_only_reports_changes_is_held_as_long_as_is_said(
    served: httpx.AsyncClient, form: str
) -> None:
    readings = [(T0, 100), (T0 + 60, 160), (T0 + 120, 160), (T0 + 720, 110), (T0 + 780, 110)]

    async def missing(**options: float) -> int:
        if form == "json":
            times, power = zip(*readings, strict=True)
            body = {"timestamps": times, "power": power, **options}
            answer = await served.post("/v1/disaggregate", json=body)
        else:
            table = "time,power\n" + "".join(f"{at},{watts}\n" for at, watts in readings)
            answer = await served.post(
                "/v1/disaggregate", params=options, content=table, headers={"Content-Type": "text/csv"}
            )
        assert answer.status_code == 200, answer.text
        return answer.json()["mains"].count(None)

    assert (await missing(), await missing(max_gap=600), await missing(max_gap=599)) == (9, 0, 9)


# --- how readings may come ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "timestamps",
    [
        [T0 + 60, T0, T0 + 120],
        [iso(T0 + 60), iso(T0), iso(T0 + 120)],
        ["2023-11-15T01:01:00+01:00", "2023-11-15 00:00:00", "2023-11-15T00:02Z"],
        [str(T0 + 60), str(T0), str(T0 + 120)],
    ],
)
async def test_times_in_any_order_and_form(served: httpx.AsyncClient, timestamps: list[object]) -> None:
    body = {"timestamps": timestamps, "power": [2700, 160, 110]}
    found = (await served.post("/v1/disaggregate", json=body)).json()
    assert (found["start"], found["mains"]) == (T0, [160, 2700, 110])
    assert found["quality"]["unsorted"] == 1


async def test_a_start_may_be_a_local_time(served: httpx.AsyncClient) -> None:
    body = BODY | {"start": "2023-11-15T01:00:00", "time_zone": "Europe/Berlin"}
    found = (await served.post("/v1/disaggregate", json=body)).json()
    assert (found["start"], found["time_zone"]) == (T0, "Europe/Berlin")


async def test_local_days_are_those_of_the_time_zone(served: httpx.AsyncClient) -> None:
    body = BODY | {"start": T0 - 3600 - 120, "time_zone": "Europe/Berlin", "power": [100] * 4}
    found = (await served.post("/v1/disaggregate", json=body)).json()
    assert [day["date"] for day in found["total"]["days"]] == ["2023-11-14", "2023-11-15"]
    assert [day["measured_seconds"] for day in found["total"]["days"]] == [120, 120]


async def test_a_meters_csv_goes_through_its_reader(served: httpx.AsyncClient) -> None:
    rows = "".join(f"{iso(T0 + 60 * i)};{watts}\n" for i, watts in enumerate((0.16, 2.7, 0.11)))
    answer = await served.post(
        "/v1/disaggregate?appliances=kettle,fridge&parts=power&parts=mains&price_per_kwh=0.3",
        content=f"time;Mains (kW)\n{rows}", headers={"Content-Type": "text/csv; charset=utf-8"},
    )  # fmt: skip
    found = answer.json()
    assert found["mains"] == [160, 2700, 110]
    assert found["appliances"]["kettle"]["power"] == [0, 2500, 0]
    assert "quality" not in found


@pytest.mark.parametrize("named", ["text/plain", "application/vnd.ms-excel", "text/plain; charset=utf-8"])
async def test_a_csv_may_be_called_what_browsers_call_it(served: httpx.AsyncClient, named: str) -> None:
    content = "time,power\n" + "".join(f"{T0 + 60 * i},160\n" for i in range(3))
    answer = await served.post(
        "/v1/disaggregate?parts=mains", content=content, headers={"Content-Type": named}
    )
    assert answer.json()["mains"] == [160, 160, 160]


@pytest.mark.parametrize(("said", "day"), [("true", "2024-03-06"), ("false", "2024-06-03")])
async def test_dates_that_can_be_read_two_ways_are_read_as_is_said(
    served: httpx.AsyncClient, said: str, day: str
) -> None:
    content = "time,power\n" + "".join(f"06/03/2024 00:{m:02},160\n" for m in range(3))
    headers = {"Content-Type": "text/csv"}
    refused = await served.post("/v1/disaggregate", content=content, headers=headers)
    assert (refused.status_code, "whether the day comes first" in refused.json()["detail"]) == (422, True)
    answer = await served.post(f"/v1/disaggregate?day_first={said}", content=content, headers=headers)
    assert [each["date"] for each in answer.json()["total"]["days"]] == [day]


async def test_a_compressed_csv_is_read_with_and_without_being_called_so(served: httpx.AsyncClient) -> None:
    content = gzip.compress(b"time,power\n" + b"".join(b"%d,160\n" % (T0 + 60 * i) for i in range(3)))
    for headers in ({}, {"Content-Encoding": "gzip"}):
        answer = await served.post(
            "/v1/disaggregate", content=content, headers={"Content-Type": "text/csv", **headers}
        )
        assert answer.json()["mains"] == [160, 160, 160]


async def test_the_answer_may_be_the_table_that_the_command_line_writes(served: httpx.AsyncClient) -> None:
    answer = await served.post("/v1/disaggregate", json=BODY, headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"].startswith("text/csv")
    lines = answer.text.splitlines()
    assert lines[0] == '"time","mains","kettle","fridge","other"'
    assert lines[2] == "2023-11-15T00:01:00Z,2700.0,2500.0,100.0,100.0"
    assert lines[3] == "2023-11-15T00:02:00Z,,,,"
    assert len(lines) == 9


async def test_gzip_goes_both_ways(served: httpx.AsyncClient) -> None:
    plain = await served.post("/v1/disaggregate", json=BODY, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    content = gzip.compress(httpx.Request("POST", "http://api", json=BODY).content)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    packed = await served.post("/v1/disaggregate", content=content, headers=headers)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json() == plain.json()


# --- what is said of the readings --------------------------------------------------------------------


async def test_what_was_done_to_the_readings_is_counted_and_told(served: httpx.AsyncClient) -> None:
    body = {
        "timestamps": [T0, T0 + 60, T0 + 60, T0 + 120, T0 + 180, T0 + 3600, T0 + 3660],
        "power": [100, 1e30, 100, -5, None, 100, 100],
    }
    found = (await served.post("/v1/disaggregate", json=body)).json()
    quality = found["quality"]
    assert {name: quality[name] for name in ("readings", "missing", "duplicates", "negative", "clipped", "gaps")} == {
        "readings": 7, "missing": 1, "duplicates": 1, "negative": 1, "clipped": 1, "gaps": 1,
    }  # fmt: skip
    assert found["mains"][1] == 25_000
    assert quality["coverage"] == pytest.approx(5 / 62)
    for word in ("no number", "already", "below 0 W", "25,000 W", "One pause"):
        assert any(word in note for note in quality["notes"]), word


async def test_readings_coarser_than_the_model_are_told(served: httpx.AsyncClient) -> None:
    found = (await served.post("/v1/disaggregate", json=BODY | {"sample_period": 900})).json()
    assert any("every 15 min" in note for note in found["quality"]["notes"])


async def test_a_csv_whose_unit_nobody_named_is_doubted_where_it_is_no_home_in_watts(
    served: httpx.AsyncClient,
) -> None:
    rows = [f"{datetime.fromtimestamp(T0 + 60 * minute, UTC).isoformat()},0.2" for minute in range(1500)]
    for query, doubted in (("", True), ("?unit=W", False)):
        content = "\n".join(["time,load", *rows])
        found = await served.post(
            f"/v1/disaggregate{query}", content=content, headers={"Content-Type": "text/csv"}
        )
        notes = found.json()["quality"]["notes"]
        assert any("no reading is above 0.2" in note for note in notes) is doubted


async def test_what_was_added_up_and_a_coarse_counter_are_told(served: httpx.AsyncClient) -> None:
    rows = [f"{T0 + 60 * n},{n // 4 / 100:.2f},{n // 5 / 100:.2f}" for n in range(100)]
    content = "\n".join(["time,Import T1 kWh,Import T2 kWh", *rows])
    found = await served.post("/v1/disaggregate", content=content, headers={"Content-Type": "text/csv"})
    notes = found.json()["quality"]["notes"]
    assert any("sum of 2 columns: Import T1 kWh, Import T2 kWh" in note for note in notes)
    assert any("counts in steps of 10 Wh (0.01 kWh): over 1 min that is 600 W" in note for note in notes)
    # 24 steps of 0.01 kWh in 96 minutes, and 19 in 95.
    assert found.json()["total"]["energy_kwh"] == pytest.approx(0.43, abs=0.01)


async def test_columns_of_the_mains_stand_with_commas_between(served: httpx.AsyncClient) -> None:
    content = "time,left,right\n" + "".join(f"{T0 + 60 * n},100,20\n" for n in range(10))
    answer = await served.post(
        "/v1/disaggregate?mains_column=left,right", content=content, headers={"Content-Type": "text/csv"}
    )
    assert answer.json()["mains"] == [120] * 10


async def test_nothing_is_said_to_be_absent_by_readings_that_could_not_show_it(
    serve: Serve, calibrated: Bundle, registry: Registry
) -> None:
    registry.promote(calibrated.card.reference)
    body = {"start": T0, "power": [100.0, 120.0] * 500, "parts": ["power_interval"]}
    async with serve() as client:
        for period, judged in ((60, True), (600, False)):
            found = (await client.post("/v1/disaggregate", json=body | {"sample_period": period})).json()
            kettle = found["appliances"]["kettle"]
            assert [found["interval_level"] is not None, kettle["present"] is not None] == [judged] * 2
            assert ("power_low" in kettle) is judged
            assert not any(each["absent"] for each in found["appliances"].values()) or judged


async def test_readings_in_an_hour_that_was_skipped_are_left_out(served: httpx.AsyncClient) -> None:
    body = {
        "timestamps": ["2024-03-31T00:59", "2024-03-31T01:30", "2024-03-31T02:00"],
        "power": [100, 200, 300], "time_zone": "Europe/London",
    }  # fmt: skip
    found = (await served.post("/v1/disaggregate", json=body)).json()
    assert found["mains"] == [100, 300]
    assert any("skip in spring" in note for note in found["quality"]["notes"])


# --- the server itself -------------------------------------------------------------------------------


async def test_health_says_what_is_served_or_why_nothing_is(serve: Serve, registry: Registry) -> None:
    async with serve() as client:
        for path in ("/health", "/health/ready"):
            answer = await client.get(path)
            told = HealthAnswer.model_validate_json(answer.content, strict=True)
            assert (answer.status_code, told.status, told.bundle) == (200, "ok", "plain@1")
    async with serve(Registry(registry.root / "none", shipped=None)) as empty:
        answer = await empty.get("/health/ready")
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
        assert "no model is in production" in answer.json()["reason"]
        assert (await empty.get("/health/live")).status_code == 200
        refused = await empty.post("/v1/disaggregate", json=BODY)
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
        assert "no model is in production" in refused.json()["detail"]


async def test_the_server_tells_what_it_is_and_has_served(served: httpx.AsyncClient) -> None:
    await served.post("/v1/disaggregate", json=BODY)
    info = InfoAnswer.model_validate_json((await served.get("/info")).content, strict=True)
    assert info.bundle is not None
    assert [each.name for each in info.bundle.appliances] == ["kettle", "fridge"]
    assert info.bundle.num_simulated is not None
    ModelsAnswer.model_validate_json((await served.get("/v1/models")).content, strict=True)
    ModelCardsAnswer.model_validate_json((await served.get("/v1/models/plain")).content, strict=True)
    drift = DriftAnswer.model_validate_json((await served.get("/v1/drift")).content, strict=True)
    assert (drift.bundle, drift.requests) == ("plain@1", 1)
    metrics = (await served.get("/metrics")).text
    assert 'edmlops_requests_total{method="POST",route="/v1/disaggregate",status="200"} 1.0' in metrics


async def test_the_examples_of_the_document_run_as_they_stand(served: httpx.AsyncClient) -> None:
    document = (await served.get("/openapi.json")).json()
    schemas, ran = document["components"]["schemas"], 0
    for path, operations in document["paths"].items():
        for media_type, body in operations.get("post", {}).get("requestBody", {}).get("content", {}).items():
            if path.endswith("/promote"):  # asks for a key
                continue
            name = body["schema"].get("$ref", "").rpartition("/")[2]
            sent = {"json": schemas[name]["examples"][0]} if name else {"content": body["example"]}
            answer = await served.post(
                path.format(name="plain", version="1"), headers={"Content-Type": media_type}, **sent
            )
            assert answer.status_code == 200, answer.text
            ran += 1
    assert ran == 5


async def test_a_key_is_never_shown() -> None:
    assert "secret" not in repr(Rules(key="secret"))
