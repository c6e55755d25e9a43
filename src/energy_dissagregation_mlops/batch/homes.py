"""The homes of a bucket, one after another, in order of their names, each as a table of readings.

One home is in memory at a time, but where rows of many homes were sorted into buckets: then it is a bucket. It
does not know what is done with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from energy_dissagregation_mlops.batch.plan import Home, Job, Layout, split_key
from energy_dissagregation_mlops.batch.split import HOME, READINGS
from energy_dissagregation_mlops.datasets.parquet import ParquetTable
from energy_dissagregation_mlops.datasets.tabular import HOUSE, Tabular
from energy_dissagregation_mlops.errors import DataError, one_line
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.mains import MainsSeries, mains_series
from energy_dissagregation_mlops.meter_csv import Layout as TableLayout
from energy_dissagregation_mlops.vocabulary import Channel, Readings

Reader = Callable[[Disaggregator], tuple[MainsSeries, str]]  # a home's mains, and its time zone


def readers(job: Job, bucket: int, homes: Sequence[Home], num_files: int) -> Iterator[tuple[str, Reader]]:
    """Each home of a bucket, and how to read it; a reader raises DataError or UnknownNameError."""
    if job.plan.layout is Layout.ROWS:
        yield from _of_rows(job, bucket, num_files)
    for home in homes:
        yield home.name, _FilesReader(job=job, home=home)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FilesReader:
    job: Job
    home: Home

    def __call__(self, disaggregator: Disaggregator) -> tuple[MainsSeries, str]:
        with ExitStack() as stack:
            paths = [stack.enter_context(_there(self.job.input.local(key), key)) for key in self.home.files]
            try:
                return self._read(paths, disaggregator)
            except DataError as error:
                # A message names the file as the input does, wherever it lies or was copied to.
                text = str(error)
                for path, key in zip(paths, self.home.files, strict=True):
                    text = text.replace(str(path), key)
                raise DataError(text) from None

    def _read(self, paths: Sequence[Path], disaggregator: Disaggregator) -> tuple[MainsSeries, str]:
        columns = self.job.plan.options.columns
        if self.job.plan.layout is Layout.FILES:
            table = Tabular(paths[0], columns=columns)
            found = _mains(table.layout, lambda channel: table.read(HOUSE, channel), disaggregator, self.job)
            return replace(found[0], remarks=table.remarks), found[1]
        rows = _joined([_parquet(path, self.job.plan.home_column) for path in paths])
        return _RowsReader(job=self.job, home=self.home.name, pieces=[rows])(disaggregator)


@contextmanager
def _there(place: AbstractContextManager[Path], key: str) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            path = stack.enter_context(place)
        except (FileNotFoundError, PermissionError) as error:
            raise DataError(f"{key} can't be read ({error.strerror or error}): check it") from None
        yield path


def _parquet(path: Path, home_column: str | None) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            rows = file.read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} can't be read ({one_line(error)}): write it anew") from None
    return rows.drop_columns([home_column]) if home_column in rows.column_names else rows


def _of_rows(job: Job, bucket: int, num_files: int) -> Iterator[tuple[str, Reader]]:
    pieces: dict[str, list[pa.Table]] = {}
    for file in range(num_files):
        for home, rows in _pieces(job, file, bucket):
            pieces.setdefault(home, []).append(rows)
    for home in sorted(pieces):
        yield home, _RowsReader(job=job, home=home, pieces=pieces.pop(home))


def _pieces(job: Job, file: int, bucket: int) -> Iterator[tuple[str, pa.Table]]:
    """The homes of a bucket in one sorted file, each with its rows, in their order in the input."""
    key = split_key(file)
    if not job.output.holds_file(key):
        return  # it was refused
    with job.output.open(key) as stream, pa.ipc.open_file(stream) as found:
        for number in range(bucket, found.num_record_batches, job.plan.num_buckets):
            batch = found.get_batch(number)
            lists = batch.column(READINGS)
            edges = lists.offsets.to_pylist()
            for home, begin, end in zip(batch.column(HOME).to_pylist(), edges[:-1], edges[1:], strict=True):
                rows = lists.values.slice(begin, end - begin)
                yield home, pa.Table.from_batches([pa.RecordBatch.from_struct_array(rows)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _RowsReader:
    job: Job
    home: str
    pieces: list[pa.Table]

    def __call__(self, disaggregator: Disaggregator) -> tuple[MainsSeries, str]:
        where = f"home {self.home}"
        table = ParquetTable(_joined(self.pieces), self.job.plan.options.columns, where=where)
        found = _mains(table.layout, lambda channel: table.read(channel.key), disaggregator, self.job)
        return replace(found[0], remarks=table.remarks), found[1]


def _joined(pieces: Sequence[pa.Table]) -> pa.Table:
    """The pieces as one, in one piece: its readers cut it as they cut a file."""
    try:
        return pa.concat_tables(pieces, promote_options="permissive").combine_chunks()
    except pa.ArrowException as error:
        raise DataError(
            f"its files disagree on what columns hold ({one_line(error)}): write them alike"
        ) from None


def _mains(
    layout: TableLayout, read: Callable[[Channel], Iterator[Readings]], disaggregator: Disaggregator, job: Job
) -> tuple[MainsSeries, str]:
    mains = mains_series(
        [_held(read(channel)) for channel in layout.meters[0].channels], disaggregator,
        whose="the mains", max_gap=job.plan.options.max_gap,
    )  # fmt: skip
    if mains.counts.readings - mains.counts.missing - mains.counts.duplicates < 2:
        raise DataError("expected a series of readings, found one")
    return mains, layout.time_zone


def _held(chunks: Iterator[Readings]) -> Iterable[Readings]:
    """The same chunks, as a list where there is one: what is held whole may need no resampling."""
    first = list(islice(chunks, 2))
    return first if len(first) < 2 else chain(first, chunks)
