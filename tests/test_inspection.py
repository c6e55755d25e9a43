"""What a survey says of a file whose every reading is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy_dissagregation_mlops.datasets.opening import open_dataset
from energy_dissagregation_mlops.errors import UnknownNameError
from energy_dissagregation_mlops.inspection import survey
from energy_dissagregation_mlops.vocabulary import Quantity

START = 1_704_067_200  # 2024-01-01 00:00 UTC


@pytest.fixture
def meter(tmp_path: Path) -> Path:
    """Two hours of minutes: 600 W, then half an hour of nothing, then 1200 W; a kettle that stays off."""
    lines = ["time,mains,kettle"]
    for minute in range(120):
        if 60 <= minute < 90:
            continue
        lines.append(
            f"{START + 60 * minute},{600 + minute % 2 if minute < 60 else 1200 + minute % 2},{minute % 2}"
        )
    path = tmp_path / "meter.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_spans_periods_gaps_and_energy_by_hand(meter: Path) -> None:
    told: list[tuple[float, float | None]] = []
    mains, kettle = survey(open_dataset(meter), progress=lambda done, total, what: told.append((done, total)))
    assert (mains.house, mains.name, kettle.name, mains.quantity) == (1, "mains", "kettle", Quantity.UNKNOWN)
    assert (mains.readings, mains.sample_period, mains.gaps) == (90, 60, 1)
    assert mains.start == START and mains.stop == pytest.approx(START + 7200, abs=120)
    assert mains.missing_share == pytest.approx(30 / 120, abs=0.04)
    # 60 minutes of 600.5 W and 30 of 1200.5 W, as a mean, for a day.
    assert mains.energy_per_day_kwh == pytest.approx((60 * 600.5 + 30 * 1200.5) / 90 * 0.024, rel=0.03)
    assert kettle.energy_per_day_kwh == pytest.approx(0.5 * 0.024, rel=0.05)
    assert told == [(1, 2), (2, 2)]


def test_a_house_that_is_not_there_is_said(meter: Path) -> None:
    with pytest.raises(UnknownNameError, match="there is 1"):
        survey(open_dataset(meter), house=2)


@pytest.mark.shared
def test_real_homes(real_homes: Path) -> None:
    found = survey(open_dataset(real_homes / "refit_house20_14days_blosc_ns.h5"))
    assert {each.name for each in found} == {"mains", "kettle", "washing machine", "microwave", "dishwasher"}
    assert all(each.sample_period == 30 for each in found)
    assert found[0].energy_per_day_kwh == pytest.approx(10.7, abs=0.1)
