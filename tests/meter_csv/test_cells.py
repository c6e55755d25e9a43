from __future__ import annotations

import io
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.meter_csv.cells import blocks_of, numbers, split


def column(text: str, index: int, delimiter: str = ",") -> list[str]:
    return [cell.decode() for cell in split(text.encode(), delimiter).cells(index).strings().tolist()]


def test_cells_come_without_spaces_quotes_and_returns() -> None:
    assert column('a , "b" \r\n"c",d\r\n', 0) == ["a", "c"]
    assert column('a , "b" \r\n"c",d\r\n', 1) == ["b", "d"]


def test_a_delimiter_inside_quotes_is_part_of_the_cell() -> None:
    assert column('"a,b",1\n"c",2\n', 0) == ["a,b", "c"]
    assert column('"a,b",1\n"c",2\n', 1) == ["1", "2"]


def test_a_quote_too_many_spoils_its_own_line_only() -> None:
    assert column('5" pipe,1\na,2\n', 1) == ["", "2"]


def test_short_rows_and_blank_lines_have_empty_cells() -> None:
    assert column("a,b,c\nd\n\ne,f", 1) == ["b", "", "", "f"]
    assert column("a,b,c\nd\n\ne,f", 5) == ["", "", "", ""]


@given(
    st.lists(
        st.one_of(
            st.integers(-(10**19), 10**19).map(str),
            st.floats(-1e15, 1e15, allow_nan=False).map(repr),
            st.decimals(-(10**6), 10**6, places=3).map(str),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_numbers_are_those_that_float_makes_to_the_bit(texts: list[str]) -> None:
    found = numbers(split("\n".join(texts).encode(), ",").cells(0), ".")
    expected = [float(text) if abs(float(text)) < 1e18 else np.nan for text in texts]
    np.testing.assert_array_equal(found.value, expected)
    assert not found.wrong.any()


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("1.234,5", ",", 1234.5),
        ("1,234.5", ".", 1234.5),
        ("12.345.678", ",", 12345678.0),
        (",5", ",", 0.5),
        ("5,", ",", 5.0),
        ("+7", ".", 7.0),
        ("1.5e3", ".", 1500.0),
    ],
)
def test_decimal_signs_and_thousands_are_understood(text: str, decimal: str, number: float) -> None:
    assert numbers(split(text.encode(), ";").cells(0), decimal).value.tolist() == [number]


@pytest.mark.parametrize("text", ["", "unavailable", "Unknown", "NaN", "null", "-", "No CT", "inf"])
def test_markers_of_missing_values_are_missing(text: str) -> None:
    found = numbers(split(f"{text}\n".encode(), ";").cells(0), ".")
    assert np.isnan(found.value).all() and not found.wrong.any()


KW = {"w": 1e-3, "kw": 1.0}  # of a column in kW


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("169 W", 0.169),
        ("169W", 0.169),
        ("0.169 kW", 0.169),
        ("1,234 W", 1.234),
        ("-1.5 KW", -1.5),
        ("1.5e2 w", 0.15),
        ("0.5", 0.5),  # beside cells with a unit: the column's own
        (".5 kW", 0.5),
        ("5. kW", 5.0),
    ],
)
def test_a_unit_in_a_cell_is_moved_to_the_column_s(text: str, number: float) -> None:
    found = numbers(split(text.encode(), ";").cells(0), ".", KW)
    assert found.value.tolist() == pytest.approx([number]) and not found.wrong.any()


@pytest.mark.parametrize("text", ["169 kWh", "169 V", "5 W W", "W", "5 kW h", "1 2 W", "--5 W", "5 Wkw"])
def test_a_unit_of_another_kind_in_a_cell_is_wrong(text: str) -> None:
    assert numbers(split(text.encode(), ";").cells(0), ".", KW).wrong.all()


def test_a_missing_value_may_have_a_unit_too() -> None:
    found = numbers(split(b"-- W\nunavailable\nNaN kW", ";").cells(0), ".", KW)
    assert np.isnan(found.value).all() and not found.wrong.any()


@given(
    st.lists(
        st.tuples(st.decimals(-(10**6), 10**6, places=3), st.sampled_from(["", " W", "kW", " kW"])),
        min_size=1,
    )
)
def test_cells_with_and_without_units_are_told_apart_row_by_row(cells: list[tuple[Decimal, str]]) -> None:
    text = "\n".join(f"{number}{unit}" for number, unit in cells)
    found = numbers(split(text.encode(), ";").cells(0), ".", KW)
    expected = [float(number) * (1e-3 if unit == " W" else 1.0) for number, unit in cells]
    np.testing.assert_allclose(found.value, expected, rtol=1e-14)


@pytest.mark.parametrize("text", ["hello", "5 W", "1.2.3", "1-2", "--5", "0x10", "1e", ".", "1_000"])
def test_other_text_is_wrong(text: str) -> None:
    found = numbers(split(f"{text}\n".encode(), ";").cells(0), ".")
    assert np.isnan(found.value).all() and found.wrong.all()


@given(st.text("ab\n", max_size=60), st.integers(1, 12))
def test_blocks_hold_whole_lines_and_lose_nothing(text: str, size: int) -> None:
    if max(map(len, text.split("\n"))) > size:
        return
    blocks = list(blocks_of(io.BytesIO(text.encode()), size))
    assert b"".join(blocks) == text.encode()
    assert all(block.endswith(b"\n") for block in blocks[:-1])


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(DataError, match="one row a line"):
        list(blocks_of(io.BytesIO(b"x" * 100), 10))
