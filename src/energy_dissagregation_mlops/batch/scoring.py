"""A bucket of homes through the model: what a worker does. Its record is written last: then it is done."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from energy_dissagregation_mlops.batch.homes import Reader, readers
from energy_dissagregation_mlops.batch.plan import RUN, BucketRecord, Home, Job, Refusal, done_key
from energy_dissagregation_mlops.batch.storage import Folder
from energy_dissagregation_mlops.batch.tables import BucketTables, bucket_tables
from energy_dissagregation_mlops.bundle import FILES, SUMS, Bundle
from energy_dissagregation_mlops.errors import BundleError, DataError, UnknownNameError, one_line
from energy_dissagregation_mlops.inference.calibrated import without
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.mains import MainsSeries, doubt
from energy_dissagregation_mlops.inference.quality import is_judged
from energy_dissagregation_mlops.inference.summary import Summary
from energy_dissagregation_mlops.meter_csv.zones import zone as zone_of

_BUNDLE = f"{RUN}/bundle"


def pin(bundle: Bundle, output: Folder) -> None:
    """Keep a copy of the bundle with the run: every worker reads it there, whatever is promoted meanwhile."""
    for name in (*FILES, SUMS):
        if (bundle.folder / name).exists():
            output.write(f"{_BUNDLE}/{name}", (bundle.folder / name).read_bytes())


def score(job: Job, bucket: int, homes: Sequence[Home]) -> BucketRecord:
    """Score the homes of a bucket and write its tables.

    Args:
        job: of the run.
        bucket: its number.
        homes: those of it that lie in files of their own.

    Raises:
        EdmlopsError: the output can't be written, or the bundle is not the run's.
    """
    disaggregator = _loaded(job.output, job.plan.bundle_sha256)
    refused: list[Refusal] = []
    num_homes = rows_in = 0
    with bucket_tables(job, bucket) as tables:
        for name, reader in readers(job, bucket, homes, job.plan.num_files):
            found = _read(name, reader, disaggregator, unit_known=job.plan.options.columns.unit is not None)
            if isinstance(found, Refusal):
                refused.append(found)
                continue
            mains, zone = found
            _score_home(name, mains, zone=zone, disaggregator=disaggregator, tables=tables)
            num_homes += 1
            rows_in += mains.counts.readings
    record = BucketRecord(
        bucket=bucket, homes=num_homes, rows_in=rows_in, files=tables.files, refused=tuple(refused)
    )
    job.output.write(done_key(bucket), record.to_json())
    return record


@lru_cache(maxsize=1)
def _loaded(output: Folder, sha256: str) -> Disaggregator:
    """The run's model, once a worker; each worker has a core, so that they don't fight for them."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in (*FILES, SUMS):
            content = output.read(f"{_BUNDLE}/{name}")
            if content is not None:
                (Path(scratch) / name).write_bytes(content)
        bundle = Bundle.open(Path(scratch))
        if bundle.sha256 != sha256:
            raise BundleError(
                f"{output.address}/{_BUNDLE} is not the run's bundle: begin again in another output"
            )
        return Disaggregator.load(bundle, threads=1)


def _read(
    name: str, reader: Reader, disaggregator: Disaggregator, *, unit_known: bool
) -> tuple[MainsSeries, str] | Refusal:
    try:
        mains, zone = reader(disaggregator)
    except (DataError, UnknownNameError) as error:
        return Refusal(home=name, source=None, reason=one_line(error, longest=None))
    reason = None if unit_known else doubt(mains, sample_period=disaggregator.card.sample_period)
    return (mains, zone) if reason is None else Refusal(home=name, source=None, reason=reason)


def _score_home(
    name: str, mains: MainsSeries, *, zone: str, disaggregator: Disaggregator, tables: BucketTables
) -> None:
    card, place = disaggregator.card, zone_of(zone)
    summary = Summary.of(
        card.appliances, sample_period=card.sample_period, zone=place,
        calibrated=disaggregator.calibrated if is_judged(mains, period=card.sample_period) else None,
    )  # fmt: skip
    held = []  # of one home: what it probably does not have is known at its end
    for part in disaggregator.stream(mains.blocks(), start=mains.start):
        summary.add(part)
        if tables.wants_power:
            held.append(part)
    for part in held:
        tables.add_power(name, without(part, summary.absent), place)
    tables.add_days(name, summary.days(), dict(zip(card.appliance_names, summary.presence, strict=True)))
    tables.add_activations(name, summary.uses(), place)
