"""Blocks of a table's bytes as cells, and cells as numbers, by arithmetic on whole columns at once.

A block is a run of whole lines. Quoted cells may hold the delimiter, never a line break. It does not
know what a column means, nor what a time looks like.

Shapes: R rows of a block, W the widest cell's bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import ascii_letters
from types import MappingProxyType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.vocabulary import BoolArray

ByteArray = NDArray[np.uint8]
IndexArray = NDArray[np.int64]
DoubleArray = NDArray[np.float64]

BLOCK_BYTES = 1 << 22
MAX_CELL_BYTES = 64
MAX_NAME_BYTES = 128  # of a meter, which other names may begin like
MAX_NUMBER = 1e18  # no meter says more, and as joules a second it still fits a float32
MISSING = frozenset(
    (
        *("", "-", "--", "?", "n/a", "na", "#n/a", "nan", "none", "null", "nil"),
        *("unavailable", "unknown", "missing", "no ct"),  # the last is Emporia's
    )
)
# No-break and thin spaces as spreadsheets group thousands by, and their UTF-8 where it is taken for Latin-1.
SPACES = re.compile("\xc2\xa0|\xe2\x80\xaf|\xe2\x80\x89|\xa0|\u202f|\u2009")
NO_UNITS: Mapping[str, float] = MappingProxyType({})

_NEWLINE, _QUOTE = 10, 34
# A mantissa below 2**53 over a power of ten up to 22 is the nearest double: the same one that float() gives.
_EXACT = 1 << 53
_NUMBER_BYTES = 18
_POWERS = 10.0 ** np.arange(_NUMBER_BYTES + 1)
_PADDING = bytes(MAX_NAME_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """One column of a block: where each row's cell starts and ends, spaces and quotes left out."""

    text: ByteArray
    start: IndexArray  # (R,)
    end: IndexArray  # (R,) equal to start, or less, where the cell is empty or absent

    def take(self, rows: IndexArray) -> Cells:
        """The cells of some rows."""
        return Cells(text=self.text, start=self.start[rows], end=self.end[rows])

    @property
    def length(self) -> IndexArray:
        """Bytes of each cell, (R,)."""
        length: IndexArray = np.maximum(self.end - self.start, 0)
        return length

    def left_aligned(self, longest: int = MAX_CELL_BYTES) -> ByteArray:
        """The cells' bytes, (R, W), zero after each cell's end; none is wider than ``longest``."""
        length = self.length
        width = int(min(length.max(initial=1), longest)) or 1
        matrix = np.lib.stride_tricks.sliding_window_view(self.text, width)[self.start]
        if (length != width).any():
            matrix[np.arange(width) >= length[:, None]] = 0
        return matrix

    def strings(self, longest: int = MAX_CELL_BYTES) -> NDArray[np.bytes_]:
        """The cells as byte strings, (R,)."""
        matrix = np.ascontiguousarray(self.left_aligned(longest))
        return matrix.view(f"S{matrix.shape[1]}")[:, 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The lines of a block and where their delimiters stand."""

    text: ByteArray  # padded, so that a window of MAX_NAME_BYTES fits around any cell
    start: IndexArray  # (R,)
    end: IndexArray  # (R,)
    marks: IndexArray  # every delimiter's place, with one place more than there are
    first_mark: IndexArray  # (R,)
    num_marks: IndexArray  # (R,)
    first_line: int  # the number of the first line in the file, from 1

    def __len__(self) -> int:
        return len(self.start)

    def cells(self, column: int) -> Cells:
        """The cells of a column, counted from 0."""
        absent, last = self.num_marks < column, self.num_marks == column
        place = np.minimum(self.first_mark + column, len(self.marks) - 1)
        start = self.start if column == 0 else self.marks[np.maximum(place - 1, 0)] + 1
        end = np.where(last, self.end, self.marks[place])
        start, end = np.where(absent, self.start, start), np.where(absent, self.start, end)
        return _trimmed(self.text, start, end)


def _trimmed(text: ByteArray, start: IndexArray, end: IndexArray) -> Cells:
    blank = np.zeros(256, bool)
    blank[list(b' \t\r"')] = True
    while (more := (start < end) & blank[text[start]]).any():
        start = start + more
    while (more := (start < end) & blank[text[end - 1]]).any():
        end = end - more
    return Cells(text=text, start=start, end=end)


def split(block: bytes, delimiter: str, *, first_line: int = 1) -> Rows:
    """The rows of a block of whole lines; blank lines are rows without cells."""
    ending = b"" if block.endswith(b"\n") else b"\n"
    text = np.frombuffer(_PADDING + block + ending + _PADDING, np.uint8)
    end = np.flatnonzero(text == _NEWLINE)
    start = np.concatenate(([len(_PADDING)], end[:-1] + 1))
    marks = np.flatnonzero(text == ord(delimiter))
    if b'"' in block:
        marks = _outside_quotes(text, marks, start, end)
    first = np.searchsorted(marks, start)
    num = np.searchsorted(marks, end) - first
    padded = np.append(marks, len(text) - 1)
    return Rows(
        text=text, start=start, end=end, marks=padded, first_mark=first, num_marks=num, first_line=first_line
    )


def _outside_quotes(text: ByteArray, marks: IndexArray, start: IndexArray, end: IndexArray) -> IndexArray:
    quotes = np.cumsum(text == _QUOTE, dtype=np.int32)
    line_start = start[np.searchsorted(end, marks)]
    outside: IndexArray = marks[(quotes[marks] - quotes[line_start - 1]) % 2 == 0]
    return outside


def blocks_of(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The file in blocks of whole lines of about ``size`` bytes.

    Raises:
        DataError: it has a line that is longer than a block.
    """
    rest = b""
    while data := file.read(size):
        whole, newline, tail = data.rpartition(b"\n")
        if newline:
            yield rest + whole + newline
            rest = tail
        else:
            rest += data
            if len(rest) > 2 * size:
                raise DataError(
                    f"a line of more than {len(rest):,} bytes: expected a table of readings, one row a line; "
                    "save it as CSV"
                )
    if rest:
        yield rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A column of numbers: NaN where the cell holds a marker of a missing value, or no number at all."""

    value: DoubleArray  # (R,)
    wrong: BoolArray  # (R,) text that is neither a number nor a marker of a missing value


def numbers(cells: Cells, decimal: str, units: Mapping[str, float] = NO_UNITS) -> Numbers:
    """The cells as numbers, each as exact as ``float`` makes it.

    ``decimal`` is "." or ","; the other one may group thousands. ``units`` are what may stand behind a number, in
    lower case, and how many of the column's own unit one of them is.
    """
    value, plain = _signed_numbers(cells, decimal)
    for unit, factor in units.items():
        rest = np.flatnonzero(~plain)
        if not rest.size:
            break
        found, is_plain = _signed_numbers(_before(cells.take(rest), unit), decimal)
        value[rest[is_plain]], plain[rest[is_plain]] = found[is_plain] * factor, True
    wrong = np.zeros(len(value), bool)
    rest = np.flatnonzero(~plain)
    if rest.size:
        texts, inverse = np.unique(cells.take(rest).strings(), return_inverse=True)
        parsed = [number_of(text.decode("latin-1"), decimal, units) for text in texts.tolist()]
        read = np.array([np.nan if one is None else one for one in parsed])
        value[rest] = read[inverse]
        wrong[rest] = np.array([one is None for one in parsed])[inverse]
    return Numbers(value=value, wrong=wrong)


def _before(cells: Cells, unit: str) -> Cells:
    """What stands before this unit; nothing of cells that don't end in it."""
    ends = cells.length > len(unit)
    for place, letter in enumerate(reversed(unit), start=1):
        ends &= (cells.text[cells.end - place] | 0x20) == ord(letter)
    return _trimmed(cells.text, cells.start, np.where(ends, cells.end - len(unit), cells.start))


def _signed_numbers(cells: Cells, decimal: str) -> tuple[DoubleArray, BoolArray]:
    signed = (cells.text[cells.start] == ord("-")) | (cells.text[cells.start] == ord("+"))
    magnitude = Cells(text=cells.text, start=cells.start + signed, end=cells.end)
    value, plain = _plain_numbers(magnitude, decimal)
    value[cells.text[cells.start] == ord("-")] *= -1
    return value, plain


def _plain_numbers(cells: Cells, decimal: str) -> tuple[DoubleArray, BoolArray]:
    """Digits with at most one decimal sign; and which cells are that."""
    length = cells.length
    width = int(min(length.max(initial=1), _NUMBER_BYTES)) or 1
    start = np.maximum(cells.end - width, 0)
    matrix = np.lib.stride_tricks.sliding_window_view(cells.text, width)[start]
    if (length != width).any():
        matrix[np.arange(width) < (width - length)[:, None]] = ord("0")
    mantissa = np.zeros(len(length), np.int64)
    decimals = np.zeros(len(length), np.int64)
    points = np.zeros(len(length), np.uint8)
    others = np.zeros(len(length), bool)
    for column in np.ascontiguousarray(matrix.T):
        digit = column - np.uint8(ord("0"))  # wraps round below "0"
        is_digit = digit <= 9
        if is_digit.all():
            mantissa = mantissa * 10 + digit
            decimals += points
            continue
        is_point = column == ord(decimal)
        mantissa = np.where(is_digit, mantissa * 10 + digit, mantissa)
        decimals += points * is_digit
        points += is_point
        others |= ~(is_digit | is_point)
    plain = (length > points) & (length <= width) & (points <= 1) & ~others & (mantissa < _EXACT)
    return mantissa / _POWERS[np.minimum(decimals, _NUMBER_BYTES)], plain


def parted(text: str) -> tuple[str, str]:
    """A cell's text, and the letters at its end in lower case: a unit, where it is a number's."""
    if not text[-1:].isalpha():
        return text, ""
    number = text.rstrip(ascii_letters)
    return number.rstrip(), text[len(number) :].lower()


def number_of(text: str, decimal: str, units: Mapping[str, float] = NO_UNITS) -> float | None:
    """One cell as a number: NaN for a marker of a missing value, None for anything else."""
    text = text if text.isascii() else SPACES.sub(" ", text)
    text = text.strip().strip('"').strip()
    if text.lower() in MISSING:
        return float("nan")
    if units and text[-1:].isalpha():
        digits, word = parted(text)
        if digits and word in units:
            value = number_of(digits, decimal)
            return None if value is None else value * units[word]
    thousands = "." if decimal == "," else ","
    if re.fullmatch(rf"[+-]?[1-9]\d{{0,2}}([{thousands}' ]\d{{3}})+([{decimal}]\d*)?", text):
        text = re.sub(rf"[{thousands}' ]", "", text)
    text = text.replace(decimal, ".") if decimal == "," and "." not in text else text
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        return float("nan") if text.lower().lstrip("+-") in ("inf", "infinity") else None
    number = float(text)
    return number if abs(number) < MAX_NUMBER else float("nan")
