"""A meter file in, three tables out: power by sample, energy by day, and every activation.

    NAME.parquet              time (UTC), mains, one column an appliance, other; W
    NAME.daily.parquet        day, measured_hours, and energy in kWh of each of those, with low_kwh and high_kwh of each
                              appliance where the bundle gives intervals
    NAME.activations.parquet  appliance, start, stop (UTC), energy_kwh, peak_power W

or the same as CSV. They appear together, whole, at the end. Memory grows with the grid of the mains
alone, 4 bytes a sample.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from energy_dissagregation_mlops.activations import Activation
from energy_dissagregation_mlops.datasets.tabular import Tabular
from energy_dissagregation_mlops.errors import ConfigError, DataError
from energy_dissagregation_mlops.files import atomic_file
from energy_dissagregation_mlops.inference.calibrated import Calibrated, without
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.mains import MainsSeries, doubt, mains_series
from energy_dissagregation_mlops.inference.quality import is_judged, notes, notes_on, step_power
from energy_dissagregation_mlops.inference.summary import DayEnergy, Summary
from energy_dissagregation_mlops.intervals import Interval
from energy_dissagregation_mlops.vocabulary import (
    JOULES_PER_KWH,
    MAINS,
    OTHER,
    TIME,
    BoolArray,
    Dataset,
    Disaggregation,
    Update,
    unwatched,
)

logger = logging.getLogger(__name__)

SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was written, and what it says in short."""

    files: tuple[Path, ...]  # power, daily, activations
    mains: MainsSeries
    days: list[DayEnergy]
    activations: list[Activation]
    whole: Interval | None  # (A,) kWh of the whole span; None where the bundle gives no intervals
    presence: list[float | None]  # (A,) probability that the home has each appliance
    absent: tuple[str, ...]  # what it probably does not have, and is said to draw nothing
    notes: tuple[str, ...]  # what to know of the readings, and of what is said, before one trusts it


def read_mains(
    dataset: Dataset, house: int, disaggregator: Disaggregator, *,
    max_gap: float | None = None, unit_known: bool = True,
) -> MainsSeries:  # fmt: skip
    """A house's mains on the bundle's grid.

    Args:
        dataset: opened.
        house: its number.
        disaggregator: whose grid.
        max_gap: s, where it is to differ from the bundle's own.
        unit_known: whether a person or the data set says the unit; else one that looks wrong is warned of.

    Raises:
        DataError: the house has no mains, or no usable reading.
        UnknownNameError: there is no such house.
    """
    meters = [meter for meter in dataset.meters(house) if meter.name == MAINS]
    if not meters:
        raise DataError(
            f"{dataset.path}: house {house} has no mains: expected a column or meter of a name such as 'mains'; name it with --mains-column"
        )
    mains = mains_series(
        (dataset.read(house, channel) for channel in meters[0].channels), disaggregator,
        whose=f"{dataset.path}: the mains of house {house}", max_gap=max_gap,
    )  # fmt: skip
    doubted = None if unit_known else doubt(mains, sample_period=disaggregator.card.sample_period)
    if doubted is not None:
        logger.warning("%s: %s", dataset.path, doubted)
    return replace(mains, remarks=dataset.remarks) if isinstance(dataset, Tabular) else mains


def predict(
    mains: MainsSeries, disaggregator: Disaggregator, output: Path, *,
    zone: ZoneInfo, intervals: bool = False, progress: Update = unwatched,
) -> Prediction:  # fmt: skip
    """Take the mains apart and write the three tables.

    Args:
        mains: on the bundle's grid.
        disaggregator: of the bundle.
        output: a .parquet or .csv file; the others stand beside it.
        zone: of the local days.
        intervals: write where each appliance's power lies, too.
        progress: told of samples done and in all.

    Raises:
        ConfigError: ``output`` ends in something else, or the bundle gives no intervals, or none for such readings.
        EdmlopsError: it can't be written.
    """
    files = _files(output)
    card, calibrated = disaggregator.card, _calibrated_for(mains, disaggregator, intervals=intervals)
    summary = Summary.of(card.appliances, sample_period=card.sample_period, zone=zone, calibrated=calibrated)
    asked = calibrated if intervals else None
    with ExitStack() as stack:
        asides = [stack.enter_context(atomic_file(file)) for file in files]
        done = 0

        def written(gone: BoolArray) -> Iterator[Disaggregation]:
            """Write the power table, and hand on each piece as it was before anything was taken out of it."""
            schema = power_schema(card.appliance_names, intervals=intervals)
            with _Writer(asides[0], output.suffix, schema) as writer:
                for part in disaggregator.stream(mains.blocks(), start=mains.start):
                    writer.write(power_table(without(part, gone), asked))
                    yield part

        for part in written(np.zeros(len(card.appliances), np.bool_)):
            summary.add(part)
            done += len(part.mains)
            progress(done, len(mains.power), "samples")
        if summary.absent.any():
            # Only now it is known: the table of power is written again, so that all tables tell one story.
            for _ in written(summary.absent):
                pass
        days, activations, daily = summary.days(), summary.activations(), summary.daily()
        tables = (_daily_table(days, card.appliance_names), _activation_table(activations))
        for aside, table in zip(asides[1:], tables, strict=True):
            with _Writer(aside, output.suffix, table.schema) as writer:
                writer.write(table)
    names = zip(card.appliance_names, summary.absent.tolist(), strict=True)
    return Prediction(
        files=files, mains=mains, days=days, activations=activations, whole=daily.whole,
        presence=summary.presence, absent=tuple(name for name, gone in names if gone),
        notes=(*notes(mains, period=card.sample_period), *notes_on(summary)),
    )  # fmt: skip


def _calibrated_for(
    mains: MainsSeries, disaggregator: Disaggregator, *, intervals: bool
) -> Calibrated | None:
    """What is known of the bundle's errors on such readings; an error where nothing is and intervals are wanted."""
    card, calibrated = disaggregator.card, disaggregator.calibrated
    if intervals and calibrated is None:
        raise ConfigError(
            f"{card.reference} was never calibrated, so it gives no intervals: run `edmlops calibrate`"
        )
    if is_judged(mains, period=card.sample_period):
        return calibrated
    if intervals:
        raise ConfigError(
            f"{card.reference} knows no intervals for readings like these, a sample every {mains.source_period:g} s, "
            f"in steps of {step_power(mains, card.sample_period):,.0f} W, "
            f"{mains.counts.negative:,} below 0 W: leave out --intervals"
        )
    return None


def _files(output: Path) -> tuple[Path, ...]:
    if output.suffix not in SUFFIXES:
        raise ConfigError(
            f"--output {output}: expected a name that ends in {' or '.join(SUFFIXES)}; choose one"
        )
    return (
        output,
        output.with_suffix(f".daily{output.suffix}"),
        output.with_suffix(f".activations{output.suffix}"),
    )


class _Writer:
    """A table written piece by piece, as Parquet or CSV."""

    def __init__(self, path: Path, suffix: str, schema: pa.Schema) -> None:
        if suffix == ".parquet":
            self._writer = pa.parquet.ParquetWriter(path, schema, compression="zstd")
        else:
            self._writer = pa.csv.CSVWriter(path, schema)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        self._writer.write_table(table)


INSTANT = pa.timestamp("ms", tz="UTC")


def power_schema(appliances: tuple[str, ...], *, intervals: bool) -> pa.Schema:
    """The columns of the table of power, W."""
    names = [MAINS, *appliances, OTHER]
    if intervals:
        names += [f"{name}_{end}" for name in appliances for end in ("low", "high")]
    return pa.schema([(TIME, INSTANT), *((name, pa.float32()) for name in names)])


def instants(seconds: object) -> pa.Array:
    """Seconds since 1970 as times in UTC."""
    return pa.array(np.round(np.asarray(seconds, np.float64) * 1000).astype(np.int64)).cast(INSTANT)


def power_table(part: Disaggregation, calibrated: Calibrated | None = None) -> pa.Table:
    """A row a sample: its time, the mains and what it is made of, and with ``calibrated`` where each appliance lies."""
    time = part.start + part.sample_period * np.arange(len(part.mains))
    rows = [part.mains, *part.power, part.other]
    if calibrated is not None:
        interval = calibrated.power(part)
        rows += [end for ends in zip(interval.low, interval.high, strict=True) for end in ends]
    # A missing sample is null, which every reader of either format takes for missing.
    columns = [pa.array(row, pa.float32(), from_pandas=True) for row in rows]
    schema = power_schema(part.appliances, intervals=calibrated is not None)
    return pa.Table.from_arrays([instants(time), *columns], schema=schema)


def _daily_table(days: list[DayEnergy], appliances: tuple[str, ...]) -> pa.Table:
    columns = {
        "day": pa.array([each.day for each in days], pa.date32()),
        "measured_hours": pa.array([each.measured_seconds / 3600 for each in days], pa.float64()),
    }
    for name in (MAINS, *appliances, OTHER):
        columns[f"{name}_kwh"] = pa.array([each.energy_kwh[name] for each in days], pa.float64())
        if days and name in days[0].low_kwh:
            columns[f"{name}_low_kwh"] = pa.array([each.low_kwh[name] for each in days], pa.float64())
            columns[f"{name}_high_kwh"] = pa.array([each.high_kwh[name] for each in days], pa.float64())
    return pa.table(columns)


def _activation_table(activations: list[Activation]) -> pa.Table:
    return pa.table(
        {
            "appliance": pa.array([each.appliance for each in activations], pa.string()),
            "start": instants([each.start for each in activations]),
            "stop": instants([each.stop for each in activations]),
            "energy_kwh": pa.array([each.energy / JOULES_PER_KWH for each in activations], pa.float64()),
            "peak_power": pa.array([each.peak for each in activations], pa.float32()),
        }
    )
