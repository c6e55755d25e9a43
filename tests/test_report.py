"""The picture of a day: which day, and what is drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from energy_dissagregation_mlops.report import DayPicture, draw_day, liveliest_day
from energy_dissagregation_mlops.vocabulary import Disaggregation

LONDON = ZoneInfo("Europe/London")
HOUR = 3600.0


def found(
    start: datetime, kettle: list[float], fridge: list[float], missing: slice = slice(0)
) -> Disaggregation:
    """Two appliances, an hour a sample."""
    power = np.array([kettle, fridge], np.float32)
    mains = power.sum(axis=0) + 100
    mains[missing] = np.nan
    return Disaggregation(
        start=start.timestamp(), sample_period=HOUR, appliances=("kettle", "fridge"),
        mains=mains, power=power, on=power > 0, other=np.full_like(mains, 100),
    )  # fmt: skip


def hours(*days: float) -> list[float]:
    """The same power in each hour of a day."""
    return [power for power in days for _ in range(24)]


WINTER = datetime(2024, 1, 10, tzinfo=UTC)


def test_the_day_with_more_appliances_comes_before_the_one_with_more_energy() -> None:
    day = liveliest_day(found(WINTER, hours(900, 10, 0), hours(0, 10, 50)), LONDON)
    assert day == slice(24, 48)


def test_among_those_the_one_with_more_energy() -> None:
    day = liveliest_day(found(WINTER, hours(10, 10, 10), hours(10, 10, 20)), LONDON)
    assert day == slice(48, 72)


def test_a_day_without_mains_is_the_last_choice() -> None:
    made = found(WINTER, hours(10, 10), hours(10, 90), missing=slice(30, 40))
    assert liveliest_day(made, LONDON) == slice(0, 24)


def test_days_are_local_and_as_long_as_the_clocks_say() -> None:
    # 31 March 2024 has 23 hours in London, and the next day begins at 23:00 UTC.
    start = datetime(2024, 3, 30, 0, tzinfo=UTC)
    day = liveliest_day(found(start, hours(0, 0, 0), [*hours(1), *[9] * 23, *[1] * 25]), LONDON)
    assert day == slice(24, 47)


def test_a_recording_shorter_than_a_day_is_its_day() -> None:
    made = found(WINTER.replace(hour=7), [5, 5], [0, 0])
    assert liveliest_day(made, LONDON) == slice(0, 2)


@pytest.mark.parametrize(
    ("name", "start"), [("day.png", b"\x89PNG"), ("day.svg", b"<?xml"), ("day.pdf", b"%PDF")]
)
def test_a_picture_is_of_the_kind_that_its_name_says(tmp_path: Path, name: str, start: bytes) -> None:
    made = found(WINTER, hours(10, 20), hours(0, 50), missing=slice(3, 5))
    picture = DayPicture(title="made:1", found=made, true={"fridge": made.power[1]}, zone=LONDON)
    assert draw_day(picture, tmp_path / name) == tmp_path / name
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    if name == "day.svg":
        text = (tmp_path / name).read_text()
        assert "made:1, Thursday 11 January 2024" in text
