"""How a training, a calibration and a search go on, what they come to, and what is on record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from energy_dissagregation_mlops.results.formatting import NO_INTERVALS, moment, number, percent, print_json
from energy_dissagregation_mlops.terminal import output, show_table

if TYPE_CHECKING:
    from energy_dissagregation_mlops.bundle import Bundle
    from energy_dissagregation_mlops.tracking.reading import RecordedRun
    from energy_dissagregation_mlops.training.progress import Progress
    from energy_dissagregation_mlops.tuning.search import Found

TRIALS_SHOWN = 10
HOURS_PER_DAY = 24.0
ID_DIGITS = 8  # of a run's identity or a hash


def training_note(progress: Progress) -> str:
    """Where a training run is, in a few words."""
    return f"epoch {progress.epoch}/{progress.epochs}, loss {progress.loss:.4f}"


def epoch_line(progress: Progress) -> str | None:
    """What an epoch came to; None where it is not over."""
    if progress.validation is None:
        return None
    return (
        f"epoch {progress.epoch} of {progress.epochs}: loss {progress.loss:.4f}, "
        f"validation {progress.validation.score:.3f} of always-off, {progress.samples_per_second:,.0f} samples/s"
    )


def show_trained(bundle: Bundle, *, promoted: bool) -> None:
    """A new bundle and its validation scores."""
    metrics = bundle.metrics()
    assert isinstance(metrics, dict)
    validation = metrics["validation"]
    if validation is not None:
        rows = [
            (each["appliance"], number(each["mae"]), number(each["always_off_mae"]), number(each["f1"], 2))
            for each in validation["appliances"]
        ]
        titles = ("appliance", "MAE\nW", "always\noff W", "F1")
        show_table("validation, on stretches kept out of training", titles, rows)
    show_calibration(bundle)
    card = bundle.card
    state = "in production" if promoted else "not in production: `edmlops models promote` puts it there"
    output().print(
        f"{card.reference} ({card.network}, {card.num_weights:,} weights), {state}\nbundle: {bundle.folder}"
    )


def show_calibration(bundle: Bundle) -> None:
    """What a bundle's intervals were fitted on, and how often they hold the truth in homes left out of the fit."""
    from energy_dissagregation_mlops.calibration.tables import HOURS, LEAST_SPANS

    calibration = bundle.card.calibration
    if calibration is None:
        output().print(NO_INTERVALS, style="yellow")
        return
    rows = []
    for one in calibration.appliances:
        tables = one.intervals
        days = next((row for row in tables.energy if row.hours == HOURS_PER_DAY), None) if tables else None
        rows.append(
            (
                one.appliance, str(len(one.homes)), percent(tables.power.coverage if tables else None),
                percent(days.coverage if days else None), str(one.presence.num_homes) if one.presence else "-",
            )
        )  # fmt: skip
    caption = "held: in homes left out of the fit; of samples and days on which it is used or said to be"
    if without := [one.appliance for one in calibration.appliances if one.intervals is None]:
        caption += f"\nno intervals of {', '.join(without)}: use is said in fewer than {LEAST_SPANS} spans of {HOURS[0]:g} h"
    show_table(
        f"intervals of {bundle.card.reference}, to hold {100 * calibration.level:.0f} % of truths",
        ("appliance", "homes", "power\nheld", "day's kWh\nheld", "homes for\npresence"),
        rows,
        caption=caption,
    )


def show_search(found: Found, *, as_json: bool) -> None:
    """What a search came to, the best trials first."""
    if as_json:
        print_json(
            {
                "study": found.study, "output": str(found.output),
                "trials": [dataclasses.asdict(each) for each in found.trials],
            }
        )  # fmt: skip
        return
    keys = list(dict.fromkeys(key for each in found.trials for key in each.values))
    rows = [
        (
            str(each.number), each.state, number(each.score, 3),
            *(_setting(each.values.get(key)) for key in keys),
        )
        for each in found.trials[:TRIALS_SHOWN]
    ]  # fmt: skip
    states = [each.state for each in found.trials]
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    show_table(
        f"{found.study}: {counted}",
        ("trial", "state", "score", *keys),
        rows,
        caption="score: mean over appliances of MAE as a share of always-off's, on validation; the lower the better",
    )
    output().print(f"{found.output}\nNext: edmlops train --config {found.output}")


def _setting(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def show_runs(runs: Sequence[RecordedRun], *, as_json: bool) -> None:
    """Training runs on record, a line each."""
    if as_json:
        print_json([dataclasses.asdict(each) for each in runs])
        return
    rows = [
        (
            each.run[:ID_DIGITS], each.name, each.status, moment(each.began),
            number(None if each.ended is None else (each.ended - each.began) / 60), str(each.epochs),
            number(each.score, 3), each.bundle or each.error or "-",
        )
        for each in runs
    ]  # fmt: skip
    show_table(
        "training runs",
        ("run", "model", "status", "began (UTC)", "min", "epochs", "score", "bundle"),
        rows,
        caption="score: mean over appliances of MAE as a share of always-off's, on validation, at the best epoch",
    )


def show_comparison(runs: Sequence[RecordedRun], *, as_json: bool) -> None:
    """What differs between runs, and the metrics of each at its best epoch."""
    if as_json:
        print_json([dataclasses.asdict(each) for each in runs])
        return
    titles = ("", *(each.run[:ID_DIGITS] for each in runs))
    facts = [("model", *(each.bundle or each.name for each in runs))]
    facts += [("data", *(each.data_sha256[:ID_DIGITS] for each in runs))]
    for name in ("parameters", "environment"):
        kept: list[Mapping[str, str]] = [getattr(each, name) for each in runs]
        for key in sorted({key for one in kept for key in one}):
            values = [one.get(key, "-") for one in kept]
            if len(set(values)) > 1:
                facts.append((key, *values))
    show_table("where they differ", titles, facts)
    keys = sorted({key for each in runs for key in each.metrics})
    rows = [(key, *(number(each.metrics.get(key), _digits(key)) for each in runs)) for key in keys]
    show_table("what they came to on validation, at the best epoch", titles, rows)


def _digits(metric: str) -> int:
    """Digits behind the point that say something of a metric."""
    if metric in ("epoch", "samples_per_second"):
        return 0
    return 1 if "mae/" in metric else 3
