"""The tables of a bucket, in files by local date.

    daily         home, day, appliance (mains and other among them), energy_kwh, energy_low_kwh, energy_high_kwh, cost,
                  measured_hours, present (probability that the home has it)
    activations   home, appliance, start, stop (UTC), energy_kwh, peak_power W
    power         home, time (UTC), mains, a column an appliance, other; W

Rows are in order of homes, then of time. Power is written as it comes; the others are held until the end,
and grow with days and activations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, time
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from energy_dissagregation_mlops.activations import Activations
from energy_dissagregation_mlops.batch.plan import ACTIVATIONS, DAILY, POWER, FileRecord, Job, Partition
from energy_dissagregation_mlops.inference.summary import DayEnergy, days_of
from energy_dissagregation_mlops.prediction import INSTANT, instants, power_table
from energy_dissagregation_mlops.vocabulary import JOULES_PER_KWH, Disaggregation, TimeArray

DAILY_SCHEMA = pa.schema(
    [
        ("home", pa.string()),
        ("day", pa.date32()),
        ("appliance", pa.string()),
        ("energy_kwh", pa.float64()),
        ("energy_low_kwh", pa.float64()),
        ("energy_high_kwh", pa.float64()),
        ("cost", pa.float64()),
        ("measured_hours", pa.float64()),
        ("present", pa.float64()),
    ]
)
ACTIVATION_SCHEMA = pa.schema(
    [
        ("home", pa.string()),
        ("appliance", pa.string()),
        ("start", INSTANT),
        ("stop", INSTANT),
        ("energy_kwh", pa.float64()),
        ("peak_power", pa.float32()),
    ]
)


@contextmanager
def bucket_tables(job: Job, bucket: int) -> Iterator[BucketTables]:
    """The tables of a bucket, to be filled; their files appear when the block ends well."""
    with ExitStack() as power_files:
        tables = BucketTables(job, bucket, power_files)
        yield tables
        tables.write_held()


class BucketTables:
    """Takes what the homes of a bucket used."""

    def __init__(self, job: Job, bucket: int, power_files: ExitStack) -> None:
        self._job = job
        self._bucket = bucket
        self._held: dict[str, list[pa.Table]] = {}
        self._power: dict[str, pq.ParquetWriter] = {}
        self._power_files = power_files
        self._rows: dict[str, int] = {}

    @property
    def files(self) -> tuple[FileRecord, ...]:
        """The files and their rows."""
        return tuple(FileRecord(path=key, rows=rows) for key, rows in sorted(self._rows.items()))

    @property
    def wants_power(self) -> bool:
        """Whether the power series are asked for."""
        return self._job.plan.options.power

    def add_power(self, home: str, part: Disaggregation, zone: ZoneInfo) -> None:
        """Write a piece of a home's power series."""
        table = power_table(part)
        table = table.add_column(0, "home", _repeated(home, len(table)))
        days = days_of(part, zone)
        for date_part, group in groupby(days, lambda pair: self._job.plan.options.partition.of(pair[0])):
            spans = [span for _, span in group]
            piece = table.slice(spans[0].start, spans[-1].stop - spans[0].start)
            key = self._key(POWER, date_part)
            self._writer(key, table.schema).write_table(piece)
            self._count(key, piece)

    def add_days(self, home: str, days: list[DayEnergy], present: Mapping[str, float | None]) -> None:
        """Take a home's energy by day, and how probable each appliance is."""
        price = self._job.plan.options.price_per_kwh
        by_date: dict[str, list[tuple[object, ...]]] = {}
        for each in days:
            rows = by_date.setdefault(self._job.plan.options.partition.of(each.day), [])
            hours = each.measured_seconds / 3600
            for name, energy in each.energy_kwh.items():
                low, high = each.low_kwh.get(name), each.high_kwh.get(name)
                cost = None if price is None else energy * price
                rows.append((home, each.day, name, energy, low, high, cost, hours, present.get(name)))
        for part, rows in by_date.items():
            columns = [
                pa.array(column, field.type)
                for column, field in zip(zip(*rows, strict=True), DAILY_SCHEMA, strict=True)
            ]
            self._hold(DAILY, part, pa.Table.from_arrays(columns, schema=DAILY_SCHEMA))

    def add_activations(self, home: str, found: Activations, zone: ZoneInfo) -> None:
        """Take a home's activations; the local day of its start has each."""
        names = np.array(found.appliances)
        order = np.lexsort((names[found.row], found.start))
        start, partition = found.start[order], self._job.plan.options.partition
        columns = [
            _repeated(home, len(order)),
            pa.array(found.appliances, pa.string()).take(pa.array(found.row[order])),
            instants(start),
            instants(found.stop[order]),
            pa.array(found.energy[order] / JOULES_PER_KWH),
            pa.array(found.peak[order]),
        ]
        table = pa.Table.from_arrays(columns, schema=ACTIVATION_SCHEMA)
        for part, rows in _parts(start, zone, partition):
            self._hold(ACTIVATIONS, part, table.slice(rows.start, rows.stop - rows.start))

    def write_held(self) -> None:
        """Write the tables of days and activations."""
        for key, tables in self._held.items():
            table = pa.concat_tables(tables)
            with self._job.output.filling(key) as path:
                pq.write_table(table, path, compression="zstd", row_group_size=len(table))

    def _hold(self, table: str, part: str, rows: pa.Table) -> None:
        key = self._key(table, part)
        self._held.setdefault(key, []).append(rows)
        self._count(key, rows)

    def _count(self, key: str, rows: pa.Table) -> None:
        self._rows[key] = self._rows.get(key, 0) + len(rows)

    def _writer(self, key: str, schema: pa.Schema) -> pq.ParquetWriter:
        if key not in self._power:
            path = self._power_files.enter_context(self._job.output.filling(key))
            writer = pq.ParquetWriter(path, schema, compression="zstd")
            self._power[key] = self._power_files.enter_context(writer)
        return self._power[key]

    def _key(self, table: str, part: str) -> str:
        return f"{table}/date={part}/bucket={self._bucket:05d}/part.parquet"


def _repeated(text: str, length: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), length)


def _parts(start: TimeArray, zone: ZoneInfo, partition: Partition) -> Iterator[tuple[str, slice]]:
    """Which of these times (U,), s since 1970 and in order, fall into which part."""
    begin = 0
    while begin < len(start):
        day = datetime.fromtimestamp(start[begin], UTC).astimezone(zone).date()
        after = datetime.combine(partition.after(day), time(), zone).timestamp()
        stop = max(begin + 1, int(np.searchsorted(start, after)))
        yield partition.of(day), slice(begin, stop)
        begin = stop
