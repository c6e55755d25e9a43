"""Rows of many homes into buckets, file by file: one file in, one file out that can be read bucket by bucket.

A file out is Arrow IPC: its batches are bucket 0, 1, … and again, as often as rows had to be read in turns. A
row of a batch is a home and its readings of that turn, in the order of the file. Memory is that of a turn,
however large a file is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from energy_dissagregation_mlops.batch.plan import Job, Refusal, SplitRecord, bucket_of, split_key
from energy_dissagregation_mlops.batch.storage import Folder
from energy_dissagregation_mlops.errors import DataError, one_line

ROWS_PER_TURN = 1 << 21
ROWS_AT_ONCE = 1 << 17  # of a file, while a turn is gathered
HOME, READINGS = "home", "readings"


def record_key(file: int) -> str:
    """Where the record of a file lies: once it does, the file is sorted."""
    return split_key(file).removesuffix(".arrow") + ".json"


def split_files(job: Job, files: Sequence[tuple[int, str]]) -> None:
    """Sort the rows of some files, each for itself: its number in the input, and the file."""
    for number, key in files:
        split(job, number, key)


def split(job: Job, file: int, key: str) -> SplitRecord:
    """Sort the rows of a file into buckets.

    Args:
        job: of the run.
        file: its number in the input.
        key: the file.

    Returns:
        What was read; the same lies beside the rows. A file that can't be read is refused, and adds no row.
    """
    counts = _Counts()
    try:
        with job.output.filling(split_key(file)) as target:
            _write(job, key, target, counts)
        record = SplitRecord(rows_in=counts.rows, refused=counts.refusals(key))
    except DataError as error:
        record = SplitRecord(rows_in=0, refused=(Refusal(home=None, source=key, reason=str(error)),))
    job.output.write(record_key(file), record.to_json())
    return record


class _Counts:
    def __init__(self) -> None:
        self.rows = self.nameless = 0

    def refusals(self, key: str) -> tuple[Refusal, ...]:
        if not self.nameless:
            return ()
        return (Refusal(home=None, source=key, reason=f"{self.nameless:,} rows name no home"),)


def _write(job: Job, key: str, target: Path, counts: _Counts) -> None:
    column, num_buckets = job.plan.home_column, job.plan.num_buckets
    assert column is not None
    writer = None
    try:
        for turn in _turns(job.input, key, column):
            counts.rows += len(turn)
            named = turn.filter(pc.is_valid(turn[column]))
            counts.nameless += len(turn) - len(named)
            homes = _by_home(named, column, num_buckets)
            if writer is None:
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                writer = pa.ipc.new_file(target, homes[0].schema, options=options)
            for batch in homes:
                writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise DataError(f"{key}: expected a table of readings, found no row; give another file")


def _turns(folder: Folder, key: str, column: str) -> Iterator[pa.Table]:
    """The rows of a file in pieces that fit into memory.

    Raises:
        DataError: it can't be read, or has no column of homes.
    """
    held: list[pa.RecordBatch] = []
    try:
        with folder.open(key) as stream, pq.ParquetFile(stream) as file:
            if column not in file.schema_arrow.names:
                raise DataError(f"{key}: expected a column {column!r} that names the home, found none")
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, use_threads=False):
                held.append(batch)
                if sum(map(len, held)) >= ROWS_PER_TURN:
                    yield pa.Table.from_batches(held)
                    held = []
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and not folder.is_local and not _is_final(error):
            raise  # the network's: worth another try
        raise DataError(f"{key} can't be read ({one_line(error)}): write it anew") from None
    if held:
        yield pa.Table.from_batches(held)


def _is_final(error: OSError) -> bool:
    return isinstance(error, FileNotFoundError | PermissionError)


def _by_home(rows: pa.Table, column: str, num_buckets: int) -> list[pa.RecordBatch]:
    """A batch for each bucket; in it a row a home, in order of names, with its rows as a list."""
    encoded = pc.dictionary_encode(pc.cast(rows[column], pa.string())).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], pa.string()).dictionary_encode()
    names = encoded.dictionary.to_pylist()
    buckets = [bucket_of(name, num_buckets) for name in names]
    order = sorted(range(len(names)), key=lambda number: (buckets[number], names[number]))
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    place = rank[encoded.indices.to_numpy(zero_copy_only=False)]
    readings = rows.drop_columns([column]).combine_chunks()
    if (np.diff(place) < 0).any():
        readings = readings.take(np.argsort(place, kind="stable"))
    lists = _lists(readings, np.bincount(place, minlength=len(names)))
    homes = pa.array([names[number] for number in order], pa.string())
    batch = pa.RecordBatch.from_arrays([homes, lists], [HOME, READINGS])
    edges = np.searchsorted([buckets[number] for number in order], np.arange(num_buckets + 1))
    return [batch.slice(begin, end - begin) for begin, end in pairwise(edges)]


def _lists(readings: pa.Table, lengths: np.ndarray) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    rows = pa.concat_arrays(readings.to_struct_array().chunks) if len(readings) else _no_rows(readings.schema)
    return pa.ListArray.from_arrays(pa.array(offsets), rows)


def _no_rows(schema: pa.Schema) -> pa.Array:
    return pa.array([], pa.struct(list(schema)))
