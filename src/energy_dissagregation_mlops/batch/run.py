"""A run: many homes in, tables and a manifest out, taken up again where it was stopped.

OUTPUT/manifest.json                                     last of all: the run is complete
OUTPUT/{daily,activations,power}/date=…/bucket=…/part.parquet
OUTPUT/refused/part.parquet                              homes that can't be scored, and why
OUTPUT/_run/…                                            plan, bundle and records, until it is complete
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from operator import attrgetter
from os.path import normpath
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from energy_dissagregation_mlops.batch import inputs
from energy_dissagregation_mlops.batch.lock import locked
from energy_dissagregation_mlops.batch.plan import (
    MANIFEST,
    PLAN,
    REFUSED,
    RUN,
    BucketRecord,
    FileRecord,
    Home,
    Job,
    Layout,
    Options,
    Plan,
    Record,
    Refusal,
    SplitRecord,
    bucket_of,
    done_key,
)
from energy_dissagregation_mlops.batch.scoring import pin, score
from energy_dissagregation_mlops.batch.split import record_key, split_files
from energy_dissagregation_mlops.batch.storage import Folder
from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.errors import ConfigError, DataError, EdmlopsError, one_line
from energy_dissagregation_mlops.vocabulary import Update

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

Kept = TypeVar("Kept", bound=Record)

REFUSALS_IN_MANIFEST = 100  # the table has them all
_READS_AT_ONCE = 16
_REFUSED_SCHEMA = pa.schema([("home", pa.string()), ("source", pa.string()), ("reason", pa.string())])


class Manifest(Record):
    """What a run did; readers of its tables go by it."""

    plan: Plan
    homes_done: int
    homes_refused: int
    rows_in: int
    rows_out: dict[str, int]  # by table
    refused: tuple[Refusal, ...]  # the first of them
    files: tuple[FileRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for."""

    input: str
    output: str
    options: Options
    bundle: Callable[[], Bundle]  # the model to begin with
    bundle_named: bool  # whether a person named it: then no other will do


def run(request: Request, cluster: AbstractContextManager[Client], progress: Update) -> Manifest:
    """Score the homes of an input, all of them or those that an earlier run left.

    Args:
        request: what is asked for.
        cluster: entered when there is work.
        progress: told of tasks as they are done.

    Raises:
        ConfigError: another run writes there, or the output is of another run, model or input, or lies in it.
        DataError: the input holds no homes, or none of them can be scored.
        EdmlopsError: the output can't be written, or the cluster failed.
    """
    output = Folder.at(request.output)
    _check_apart(request.input, output)
    with locked(output):
        before = _before(output)
        source = inputs.look(request.input, request.options.home_column)
        bundle = request.bundle() if before is None or request.bundle_named else None
        plan = _plan(request.options, source, bundle, before)
        if before is not None:
            _check_same(plan, before, output)
        finished = _kept(output, MANIFEST, Manifest)
        if finished is not None:
            output.remove(RUN)  # a run that was killed at its very end has left it
            return finished
        job = Job(input=source.folder, output=output, plan=plan)
        with cluster as client:
            if before is None:  # only now: a cluster that can't be reached leaves nothing behind
                _begin(plan, _known(bundle), output)
            split_records = _split(job, source, client, progress)
            buckets = _score(job, source, client, progress)
        return _finish(job, split_records, buckets)


def _before(output: Folder) -> Plan | None:
    """The plan of the run that this output is of, if any."""
    manifest = _kept(output, MANIFEST, Manifest)
    plan = manifest.plan if manifest is not None else _kept(output, PLAN, Plan)
    if plan is None and output.files():
        raise ConfigError(
            f"{output.address} holds {output.files()[0].key} and no run: choose an empty folder for --output"
        )
    return plan


def _kept(folder: Folder, key: str, kind: type[Kept]) -> Kept | None:
    content = folder.read(key)
    if content is None:
        return None
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise ConfigError(
            f"{folder.address}/{key} can't be read ({one_line(error)}): choose another output, or remove this one"
        ) from None


def _plan(options: Options, source: inputs.Source, bundle: Bundle | None, before: Plan | None) -> Plan:
    """The run's plan; without a bundle it is that of the run before."""
    return Plan(
        input=source.folder.address, input_sha256=source.sha256, num_files=len(source.files),
        layout=source.layout, home_column=source.home_column, num_buckets=source.num_buckets,
        bundle=before.bundle if bundle is None and before else _known(bundle).card.reference,
        bundle_sha256=before.bundle_sha256 if bundle is None and before else _known(bundle).sha256,
        options=options,
    )  # fmt: skip


def _check_apart(address: str, output: Folder) -> None:
    """Refuse an output that would be input of the run that goes on with it."""
    below = normpath(Folder.at(address).address) + "/"
    place = normpath(output.address)
    if place.startswith(below) and not any(
        part.startswith((".", "_")) for part in place.removeprefix(below).split("/")
    ):
        raise ConfigError(f"{output.address} lies in the input {address}: choose a folder beside it")


def _check_same(plan: Plan, before: Plan, output: Folder) -> None:
    """An earlier run is gone on with only if it is of the same input, model and options."""
    differing = [name for name in Plan.model_fields if getattr(plan, name) != getattr(before, name)]
    if differing:
        others = " and ".join(
            "other options" if name == "options" else f"another {name}" for name in differing
        )
        raise ConfigError(
            f"{output.address} is of a run with {others}: choose another output, or run it as it began"
        )


def _begin(plan: Plan, bundle: Bundle, output: Folder) -> None:
    pin(bundle, output)
    output.write(PLAN, plan.to_json())


def _known(bundle: Bundle | None) -> Bundle:
    assert bundle is not None
    return bundle


def _split(job: Job, source: inputs.Source, client: Client, progress: Update) -> Sequence[SplitRecord]:
    """Sort rows of many homes into buckets; nothing to do where homes lie apart."""
    from energy_dissagregation_mlops.batch.cluster import carry_out

    if source.layout is not Layout.ROWS:
        return []
    keys = [record_key(number) for number in range(len(source.files))]
    there = set(job.output.names(f"{RUN}/split"))
    left = [(job, files) for files in source.sortings({n for n, key in enumerate(keys) if key in there})]
    done = 0
    for more in carry_out(client, split_files, left):
        done += more
        progress(done, len(left), "sorting rows by home")
    return _records(job.output, keys, SplitRecord)


def _score(job: Job, source: inputs.Source, client: Client, progress: Update) -> Sequence[BucketRecord]:
    from energy_dissagregation_mlops.batch.cluster import carry_out

    num_buckets = job.plan.num_buckets
    homes: list[list[Home]] = [[] for _ in range(num_buckets)]
    for home in source.homes:
        homes[bucket_of(home.name, num_buckets)].append(home)
    there = set(job.output.names(f"{RUN}/done"))
    left = [(job, number, homes[number]) for number in range(num_buckets) if done_key(number) not in there]
    # The largest first, so that no worker is left alone with one at the end.
    left.sort(key=lambda task: -sum(home.num_bytes for home in task[2]))
    if len(left) < num_buckets:
        logger.info("%d of %d buckets were done before", num_buckets - len(left), num_buckets)
    done = num_buckets - len(left)
    for more in carry_out(client, score, left):
        done += more
        progress(done, num_buckets, "buckets of homes")
    return _records(job.output, [done_key(number) for number in range(num_buckets)], BucketRecord)


def _records(folder: Folder, keys: Sequence[str], kind: type[Kept]) -> list[Kept]:
    """All of these records: a manifest must not be written while one is missing."""
    found = []
    with ThreadPoolExecutor(_READS_AT_ONCE) as threads:  # behind an address each takes its time
        for key, record in zip(keys, threads.map(lambda key: _kept(folder, key, kind), keys), strict=True):
            if record is None:
                raise EdmlopsError(f"{folder.address}/{key} is gone: leave the output alone and run it again")
            found.append(record)
    return found


def _finish(job: Job, sorted_files: Sequence[SplitRecord], buckets: Sequence[BucketRecord]) -> Manifest:
    """Write what was refused and, last, the manifest; then the run's own folder goes."""
    refused = tuple(_refusals([*sorted_files, *buckets]))
    homes_done = sum(record.homes for record in buckets)
    if not homes_done:
        reason = refused[0].reason if refused else "there are none"
        raise DataError(f"{job.input.address}: no home could be scored: {reason}")
    columns = [[getattr(each, field.name) for each in refused] for field in _REFUSED_SCHEMA]
    key = f"{REFUSED}/part.parquet"
    with job.output.filling(key) as path:
        arrays = [pa.array(column, pa.string()) for column in columns]
        pq.write_table(pa.Table.from_arrays(arrays, schema=_REFUSED_SCHEMA), path, compression="zstd")
    files = [file for record in buckets for file in record.files]
    files.append(FileRecord(path=key, rows=len(refused)))
    manifest = Manifest(
        plan=job.plan, homes_done=homes_done, homes_refused=sum(each.home is not None for each in refused),
        rows_in=sum(record.rows_in for record in sorted_files or buckets),
        rows_out=_rows_out(files), refused=refused[:REFUSALS_IN_MANIFEST], files=tuple(sorted(files, key=attrgetter("path"))),
    )  # fmt: skip
    job.output.sweep()
    job.output.write(MANIFEST, manifest.to_json())
    job.output.remove(RUN)
    return manifest


def _refusals(records: Sequence[SplitRecord | BucketRecord]) -> Iterator[Refusal]:
    found = [each for record in records for each in record.refused]
    yield from sorted(found, key=lambda each: (each.home is not None, each.home or "", each.source or ""))


def _rows_out(files: Sequence[FileRecord]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for file in files:
        table = file.path.partition("/")[0]
        rows[table] = rows.get(table, 0) + file.rows
    return dict(sorted(rows.items()))
