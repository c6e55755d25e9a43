"""Fields from chunks unpacked here are the very ones that h5py gives, and what is damaged says so."""

from __future__ import annotations

import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from energy_dissagregation_mlops.datasets import chunks
from energy_dissagregation_mlops.errors import DataError

ROW = np.dtype([("index", "<i8"), ("values_block_0", "<f4", (3,)), ("values_block_1", ">i2", (1,))])
ROWS, STEP = 1000, 64  # the last chunk holds rows beyond the table's end

PIPELINES = {
    "deflated": {"compression": "gzip"},
    "shuffled": {"shuffle": True},
    "shuffled and deflated": {"compression": "gzip", "shuffle": True},
    "with checksums": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "by another filter": {"compression": "lzf", "shuffle": True},
    "as they are": {},
}
HERE = ("deflated", "shuffled", "shuffled and deflated")


@pytest.fixture
def rows() -> np.ndarray:
    random = np.random.default_rng(3).integers(0, 256, ROWS * ROW.itemsize, dtype=np.uint8)
    return random.view(ROW)


def stored(folder: Path, rows: np.ndarray, pipeline: str) -> h5py.Dataset:
    file = h5py.File(folder / "a.h5", "w")
    return file.create_dataset("table", data=rows, chunks=(STEP,), **PIPELINES[pipeline])


def field(name: str, place: int = 0) -> chunks.Field:
    dtype, offset = ROW.fields[name][:2]
    return chunks.Field(offset=offset + place * dtype.base.itemsize, dtype=dtype.base)


@pytest.mark.parametrize("pipeline", HERE)
@pytest.mark.parametrize(("start", "stop"), [(0, ROWS), (STEP, STEP + 1), (2 * STEP, 5 * STEP), (960, ROWS)])
def test_fields_are_byte_for_byte_those_of_the_rows(tmp_path, rows, pipeline, start, stop):
    table = stored(tmp_path, rows, pipeline)
    wanted = [field("index"), field("values_block_0", 2), field("values_block_1")]
    index, third, other = chunks.read_fields(table, start, stop, wanted)
    assert index.tobytes() == rows["index"][start:stop].tobytes()
    assert third.tobytes() == rows["values_block_0"][start:stop, 2].tobytes()
    assert other.tobytes() == rows["values_block_1"][start:stop, 0].tobytes()
    assert (index.dtype, third.dtype, other.dtype) == (np.dtype("<i8"), np.dtype("<f4"), np.dtype(">i2"))


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_what_has_a_checksum_or_another_filter_is_left_to_h5py(tmp_path, rows, pipeline):
    table = stored(tmp_path, rows, pipeline)
    assert chunks.unpacks(chunks.filters(table)) == (pipeline in HERE)
    assert chunks.unreadable_filters(table) == ()


@pytest.mark.parametrize(("mask", "packed"), [(0b01, True), (0b10, False), (0b11, False)])
def test_a_chunk_that_skipped_a_filter_is_read_as_its_mask_says(tmp_path, rows, mask, packed):
    table = stored(tmp_path, rows, "shuffled and deflated")
    raw = rows[:STEP].tobytes()
    if not mask & 0b01:
        raw = np.frombuffer(raw, np.uint8).reshape(STEP, -1).T.tobytes()
    table.id.write_direct_chunk((STEP,), zlib.compress(raw) if packed else raw, filter_mask=mask)
    (index,) = chunks.read_fields(table, 0, 3 * STEP, [field("index")])
    expected = np.concatenate(
        [rows["index"][:STEP], rows["index"][:STEP], rows["index"][2 * STEP : 3 * STEP]]
    )
    np.testing.assert_array_equal(index, expected)


NOISE = np.random.default_rng(0).bytes(STEP * ROW.itemsize)
PACKED = zlib.compress(NOISE)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xa5" * 100, "incorrect header check"),
        (PACKED[:-4] + b"last", "incorrect data check"),
        (PACKED[:900], "cut short"),
        (PACKED[:-4], "cut short"),
        (zlib.compress(b"a" * 500), "500 bytes instead of 1,408"),
        (zlib.compress(NOISE + b"four"), "1,412 bytes instead of 1,408"),
        (zlib.compress(b"a" * 10**8), "more than 1,412 bytes"),
    ],
    ids=["no stream", "another sum", "cut short", "without its sum", "too little", "too much", "a bomb"],
)
def test_a_chunk_that_holds_something_else_is_a_data_error(tmp_path, rows, raw, reason):
    table = stored(tmp_path, rows, "shuffled and deflated")
    table.id.write_direct_chunk((2 * STEP,), raw)
    with pytest.raises(
        DataError, match=f"chunk at row 128 can't be decoded.*{reason}.*damaged; get it again"
    ):
        chunks.read_fields(table, 0, ROWS, [field("index")])
