"""What a run is: its input, its model and its options, fixed when it begins and the same when it goes on.

Records are JSON in the run's own folder of the output. Which homes there are is not known here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from energy_dissagregation_mlops.batch.storage import Folder
from energy_dissagregation_mlops.meter_csv import Columns

RUN = "_run"  # the run's own folder: gone when it is complete
PLAN = f"{RUN}/plan.json"
MANIFEST = "manifest.json"
DAILY, ACTIVATIONS, POWER, REFUSED = "daily", "activations", "power", "refused"


class Layout(StrEnum):
    """How homes lie in the input."""

    FILES = "a file a home"
    FOLDERS = "a folder a home"
    ROWS = "rows of many homes"


class Partition(StrEnum):
    """How long the time is that a file of the output covers."""

    DAY = "day"
    MONTH = "month"

    def of(self, day: date) -> str:
        """The name of the part that a local day falls into."""
        return day.isoformat() if self is Partition.DAY else f"{day:%Y-%m}"

    def after(self, day: date) -> date:
        """The first day of the next part."""
        if self is Partition.DAY:
            return day + timedelta(days=1)
        return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


class Record(BaseModel):
    """A record that is kept as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_json(self) -> bytes:
        """As it is kept: the same bytes for the same record."""
        return (self.model_dump_json(indent=1) + "\n").encode()


class Options(Record):
    """What a person asks for."""

    columns: Columns = Columns()
    home_column: str | None = None
    max_gap: float | None = None  # s
    price_per_kwh: float | None = None
    power: bool = False  # whether the power series are written
    partition: Partition = Partition.MONTH


class Plan(Record):
    """A run."""

    format: int = 1
    input: str
    input_sha256: str  # of the names, sizes and stamps of its files
    num_files: int
    layout: Layout
    home_column: str | None  # the column or the key that names the home
    num_buckets: int
    bundle: str  # "home@3"
    bundle_sha256: str
    options: Options


class Refusal(Record):
    """A home that can't be scored, or a file or rows that can't be said to be a home's."""

    home: str | None
    source: str | None
    reason: str


class FileRecord(Record):
    """A file of the output."""

    path: str
    rows: int


class BucketRecord(Record):
    """A bucket that is done."""

    bucket: int
    homes: int
    rows_in: int
    files: tuple[FileRecord, ...]
    refused: tuple[Refusal, ...]


class SplitRecord(Record):
    """A file of rows that has been sorted into buckets."""

    rows_in: int
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every task of a run is told."""

    input: Folder
    output: Folder
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A home whose readings lie in files of its own."""

    name: str
    files: tuple[str, ...]
    num_bytes: int


def bucket_of(home: str, num_buckets: int) -> int:
    """The bucket of a home: the same on every machine and in every run."""
    digest = hashlib.blake2b(home.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % num_buckets


def done_key(bucket: int) -> str:
    """Where the record of a bucket lies."""
    return f"{RUN}/done/{bucket:05d}.json"


def split_key(file: int) -> str:
    """Where a file of rows lies once it is sorted into buckets; its record lies beside it, as .json."""
    return f"{RUN}/split/{file:05d}.arrow"
