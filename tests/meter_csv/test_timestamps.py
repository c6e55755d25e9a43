from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.meter_csv.cells import split
from energy_dissagregation_mlops.meter_csv.timestamps import Kind, Moments, is_serial, kind_of, parse

NOON = 1_735_650_245.0  # 2024-12-31 13:04:05


def moments(*texts: str, day_first: bool = True) -> Moments:
    return parse(split("\n".join(texts).encode(), "|").cells(0), day_first=day_first)


@pytest.mark.parametrize(
    "text",
    [
        "2024-12-31T13:04:05",
        "2024-12-31 13:04:05",
        "2024/12/31 13:04:05",
        "20241231T130405",
        "20241231130405",
        "31/12/2024 13:04:05",
        "31.12.2024 13:04:05",
        "31.12.24, 13:04:05",
        "31-Dec-2024 13:04:05",
        "31 dec 2024 1:04:05 pm",
        "31/12/2024 01:04:05 PM",
        "31 December 2024 13:04:05",
        "Dec 31, 2024 1:04:05 PM",
        "December 31, 2024, 01:04:05 PM",
        "Dec 31 2024 13:04:05",
        "1735650245",
        "1735650245000",
        "1735650245000000000",
        "1735650245.0",
    ],
)
def test_one_moment_is_read_in_each_of_its_spellings(text: str) -> None:
    assert moments(text).local.tolist() == [NOON]


@pytest.mark.parametrize(
    ("text", "ahead"),
    [
        ("Z", 0),
        ("+01:00", 3600),
        ("-0530", -19800),
        (" UTC", 0),
        ("+02", 7200),
        (" +00:00", 0),
        (" +0100 BST", 3600),
        ("+14:00", 50400),
        ("-12:00", -43200),
    ],
)
def test_zones_are_seconds_ahead_of_utc(text: str, ahead: float) -> None:
    assert moments(f"2024-12-31 13:04:05{text}").ahead.tolist() == [ahead]


@pytest.mark.parametrize("offset", ["+99:99", "+01:60", "-15:00", "+1430", "+24"])
def test_an_offset_that_no_clock_has_makes_a_time_unreadable(offset: str) -> None:
    assert np.isnan(moments(f"2024-12-31 13:04:05{offset}").local).all()


def test_a_time_without_a_zone_says_so() -> None:
    assert np.isnan(moments("2024-12-31 13:04:05").ahead).all()


def test_fractions_of_a_second_are_kept() -> None:
    assert moments("2024-12-31 13:04:05.250", "2024-12-31 13:04:05,5").local.tolist() == [
        NOON + 0.25,
        NOON + 0.5,
    ]
    assert moments("1735650245.125").local.tolist() == [NOON + 0.125]


def test_a_column_of_many_shapes_keeps_its_order() -> None:
    found = moments("1/2/2024 3:04", "nonsense", "11/12/2024 13:04", "", "2024-02-01 03:04")
    first = datetime(2024, 2, 1, 3, 4, tzinfo=UTC).timestamp()
    third = datetime(2024, 12, 11, 13, 4, tzinfo=UTC).timestamp()
    np.testing.assert_array_equal(found.local, [first, np.nan, third, np.nan, first])


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30 00:00",
        "2023-02-29 00:00",
        "2024-13-01 00:00",
        "2024-01-01 24:01",
        "2024-01-01 00:60",
        "32/01/2024 00:00",
        "24-12-31 00:00",
        "13:00 pm 2024",
        "2024-12/31 00:00",
        "31-foo-2024 00:00",
        "Foo 31, 2024 00:00",
        "Feb 30, 2024 00:00",
        "31 Decem 2024 00:00",
        "45321.5",
        "12345678901",
        "00:00 PM",
    ],
)
def test_what_is_no_moment_is_unreadable(text: str) -> None:
    assert np.isnan(moments(text).local).all()


def test_the_end_of_a_day_may_be_written_as_its_24th_hour() -> None:
    assert moments("2024-12-31 24:00").local.tolist() == moments("2025-01-01 00:00").local.tolist()


def test_month_first_dates_are_read_so_when_told() -> None:
    assert (
        moments("05/06/2024 00:00", day_first=False).local.tolist()
        == moments("2024-05-06 00:00").local.tolist()
    )
    assert (
        moments("05.06.2024 00:00", day_first=False).local.tolist()
        == moments("2024-06-05 00:00").local.tolist()
    )


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("45657.5445023148", NOON),  # 31 December 2024, 13:04:05, as a spreadsheet counts days since 1900
        ("45657,5445023148", NOON),
        ("45657", 1_735_603_200.0),
    ],
)
def test_a_spreadsheet_s_days_are_read_where_the_column_is_known_to_hold_them(text: str, time: float) -> None:
    found = parse(split(text.encode(), "|").cells(0), serial=True)
    assert found.local.tolist() == [time] and np.isnan(found.ahead).all()
    assert np.isnan(moments(text).local).all()
    assert is_serial(text)


@pytest.mark.parametrize("text", ["1735650245", "4532", "453210", "45321.", "1,234", "45 321", "-45321", ""])
def test_other_numbers_are_no_days_of_a_spreadsheet(text: str) -> None:
    assert not is_serial(text)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2099, 12, 31)).map(lambda time: time.replace(microsecond=0))
)
def test_every_second_survives_a_spreadsheet(time: datetime) -> None:
    days = (time - datetime(1899, 12, 30)).total_seconds() / 86_400
    found = parse(split(f"{days:.10f}".encode(), "|").cells(0), serial=True)
    assert found.local.tolist() == [time.replace(tzinfo=UTC).timestamp()]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1735650245", Kind.EPOCH),
        ("2024-12-31T13:04", Kind.MOMENT),
        ("31.12.2024", Kind.DATE),
        ("13:04", Kind.CLOCK),
        ("523.4", None),
        ("45321.5", None),
        ("Mar 12, 2024", Kind.DATE),
        ("kettle", None),
        ("", None),
    ],
)
def test_the_kind_of_a_cell_is_told(text: str, kind: Kind | None) -> None:
    assert kind_of(text) is kind


@given(st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2099, 12, 31)), min_size=1, max_size=30))
def test_every_iso_time_is_read_as_datetime_reads_it(times: list[datetime]) -> None:
    found = moments(*(time.isoformat() for time in times)).local
    expected = [time.replace(tzinfo=UTC).timestamp() for time in times]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
