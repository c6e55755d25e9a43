"""What a command shows at its end: tables for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from energy_dissagregation_mlops import model_card
from energy_dissagregation_mlops.bundle import Bundle, Card
from energy_dissagregation_mlops.terminal import output, show_table
from energy_dissagregation_mlops.vocabulary import MAINS, OTHER, SECONDS_PER_DAY

_WIDTH = 80  # characters of the narrowest terminal that texts are made for

if TYPE_CHECKING:  # each command imports the room it needs, and no other
    from energy_dissagregation_mlops.batch.run import Manifest
    from energy_dissagregation_mlops.calibration.coverage import Coverage
    from energy_dissagregation_mlops.evaluation import Evaluation, Lacking
    from energy_dissagregation_mlops.export import Parity
    from energy_dissagregation_mlops.inspection import MeterSurvey
    from energy_dissagregation_mlops.prediction import Prediction
    from energy_dissagregation_mlops.registry import Registry
    from energy_dissagregation_mlops.store import StoredHouse
    from energy_dissagregation_mlops.tracking.reading import RecordedRun
    from energy_dissagregation_mlops.training.progress import Progress
    from energy_dissagregation_mlops.tuning.search import Found
    from energy_dissagregation_mlops.vocabulary import Dataset

TRIALS_SHOWN = 10
REFUSALS_SHOWN = 5
HOURS_PER_DAY = 24.0
ID_DIGITS = 8  # of a run's identity or a hash
NO_INTERVALS = "This model was never calibrated, so it gives no intervals: `edmlops calibrate` does it."
_DAYS_OF_ALL = 14  # a home uses what it has in so many
LOW_COVERAGE = 0.8  # below it a person is told how to hold readings longer


def _number(value: float | None, digits: int = 1, suffix: str = "") -> str:
    return "-" if value is None or not np.isfinite(value) else f"{value:,.{digits}f}{suffix}"


def _percent(share: float | None) -> str:
    return _number(None if share is None else 100 * share, 0, " %")


def _moment(seconds: float | None) -> str:
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _print_json(value: object) -> None:
    output().print_json(json.dumps(value, allow_nan=False))


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def show_survey(dataset: Dataset, found: Sequence[MeterSurvey], *, as_json: bool) -> None:
    """What a raw file holds."""
    if as_json:
        meters = [
            {
                key: _finite(value) if isinstance(value, float) else value
                for key, value in dataclasses.asdict(each).items()
            }
            for each in found
        ]
        _print_json(
            {
                "path": str(dataset.path),
                "kind": dataset.kind,
                "name": dataset.name,
                **dataclasses.asdict(dataset.source),
                "meters": meters,
            }
        )
        return
    rows = [
        (
            str(each.house), each.name + ("*" if each.shared_with else ""), each.quantity.value,
            _moment(each.start)[:10], _number(_days(each)), _number(each.sample_period, 0, " s"), f"{each.gaps:,}",
            _number(None if each.missing_share is None else 100 * each.missing_share, 1, " %"),
            _number(each.energy_per_day_kwh, 2),
        )
        for each in found
    ]  # fmt: skip
    layout = getattr(dataset, "layout", None)  # a person's own file says what was guessed of it
    if layout is not None:
        output().print(str(layout), markup=False, highlight=False)
    shared = [
        f"* house {each.house}: {each.name} shares its meter with {', '.join(each.shared_with)}"
        for each in found
        if each.shared_with
    ]
    show_table(
        f"{dataset.path.name} ({dataset.source.title}, {dataset.kind}; licence {dataset.source.licence})",
        ("house", "meter", "power", "from (UTC)", "days", "every", "gaps", "missing", "kWh\na day"),
        rows,
        caption="\n".join([*shared, "gaps: pauses of more than 3 min"]),
    )


def _days(meter: MeterSurvey) -> float | None:
    if meter.start is None or meter.stop is None:
        return None
    return (meter.stop - meter.start) / SECONDS_PER_DAY


def show_stored(houses: Sequence[StoredHouse]) -> None:
    """The processed houses, and what was done to their readings."""
    rows = []
    for house in houses:
        manifest = house.manifest
        for meter in manifest.meters:
            counts = meter.counts
            rows.append(
                (
                    manifest.reference if meter.name == MAINS else "", meter.name,
                    _number(manifest.length * manifest.sample_period / SECONDS_PER_DAY) if meter.name == MAINS else "",
                    f"{counts['readings']:,.0f}", f"{counts['missing'] + counts['duplicates'] + counts['frozen']:,.0f}",
                    f"{counts['clipped'] + counts['negative']:,.0f}", _number(counts["filled_seconds"] / 3600),
                    _number(100 * counts["missing_samples"] / max(manifest.length, 1), 1, " %"),
                )
            )  # fmt: skip
    title = f"processed at {houses[0].manifest.sample_period:g} s" if houses else "processed"
    show_table(
        title, ("house", "meter", "days", "readings", "dropped", "clipped", "filled\nh", "missing"), rows
    )
    for house in houses:
        output().print(str(house.folder))


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
            (each["appliance"], _number(each["mae"]), _number(each["always_off_mae"]), _number(each["f1"], 2))
            for each in validation["appliances"]
        ]
        show_table(
            "validation, on stretches kept out of training",
            ("appliance", "MAE\nW", "always\noff W", "F1"),
            rows,
        )
    show_calibration(bundle)
    card = bundle.card
    state = "in production" if promoted else "not in production: `edmlops models promote` puts it there"
    output().print(
        f"{card.reference} ({card.network}, {card.num_weights:,} weights), {state}\nbundle: {bundle.folder}"
    )


def show_calibration(bundle: Bundle) -> None:
    """What a bundle's intervals were fitted on, and how often they hold the truth in homes left out of the fit."""
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
                one.appliance, str(len(one.homes)), _percent(tables.power.coverage if tables else None),
                _percent(days.coverage if days else None), str(one.presence.num_homes) if one.presence else "-",
            )
        )  # fmt: skip
    show_table(
        f"intervals of {bundle.card.reference}, to hold {100 * calibration.level:.0f} % of truths",
        ("appliance", "homes", "power\nheld", "day's kWh\nheld", "homes for\npresence"),
        rows,
        caption="held: in homes left out of the fit; of samples and days on which it is used or said to be",
    )


def show_evaluations(found: Sequence[Evaluation], *, as_json: bool) -> None:
    """Scores on unseen houses, each beside its baselines."""
    if as_json:
        _print_json([_evaluation_json(each) for each in found])
        return
    for each in found:
        rows = [
            (
                one.appliance, _number(one.model.mae), _number(one.always_off.mae), _number(one.mean_power.mae),
                _number(one.model.f1, 2), _number(one.model.sae, 2),
                f"{_number(one.model.energy_per_day_true_kwh, 2)} / {_number(one.model.energy_per_day_predicted_kwh, 2)}",
                f"{one.model.num_activations_found}/{one.model.num_activations}", str(one.model.num_activations_predicted),
            )
            for one in each.appliances
        ]  # fmt: skip
        without = f"no meter there for {', '.join(each.unmetered)}" if each.unmetered else ""
        known = "not known to have been seen" if each.num_absent else "never seen"
        show_table(
            f"{each.bundle} on {each.house}, {known} in training, every {each.sample_period:g} s",
            ("appliance", "MAE\nW", "always\noff W", "mean\npower W", "F1", "SAE", "kWh a day\ntrue / said", "uses\nfound", "uses\nsaid"),
            rows,
            caption=without,
        )  # fmt: skip
        _show_calibrated(each)


def _show_calibrated(found: Evaluation) -> None:
    """How often the intervals hold the truth, and what is said of an appliance that is there and one that is not."""
    rows = [
        (one.appliance, *_held_cells(one.coverage), _number(one.presence, 2), *_lacking_cells(one.lacking))
        for one in found.appliances
    ]
    known = any(one.coverage is not None for one in found.appliances)
    caption = (
        "held: share of truths in their intervals, of samples (power) and days (kWh) on\n"
        "which it is used or said to be; --json has those of all samples and days too.\n"
        "without: the same home, the appliance's power taken from the mains"
    )
    show_table(
        f"{found.bundle} on {found.house}: intervals, and whether it is there",
        ("appliance", "power\nheld", "day\nheld", "width\nkWh", "whole\nheld", "there", "without:\nthere",
         "false\nW", "false\nkWh/day"),
        rows, caption=caption if known else f"{textwrap.fill(NO_INTERVALS, _WIDTH)}\n{caption}",
    )  # fmt: skip


def _held_cells(held: Coverage | None) -> tuple[str, ...]:
    if held is None:
        return ("-",) * 4
    return (
        _percent(held.power), _percent(held.day), _number(held.day_width_kwh, 2), "yes" if held.whole else "no"
    )  # fmt: skip


def _lacking_cells(lacking: Lacking | None) -> tuple[str, ...]:
    if lacking is None:
        return ("-",) * 3
    return _number(lacking.presence, 2), _number(lacking.false_power), _number(lacking.false_kwh_per_day, 2)


def _evaluation_json(found: Evaluation) -> dict[str, object]:
    return {
        "bundle": found.bundle, "bundle_sha256": found.bundle_sha256, "house": found.house,
        "sample_period": found.sample_period, "unmetered": list(found.unmetered),
        "not_compared": found.num_absent,
        "appliances": [
            {
                "appliance": one.appliance, "model": one.model.to_json(),
                "always_off": one.always_off.to_json(), "mean_power": one.mean_power.to_json(),
                "days": one.days, "mae_95": [_finite(one.mae_interval.low), _finite(one.mae_interval.high)],
                "coverage": None if one.coverage is None else _record_json(one.coverage),
                "presence": one.presence,
                "lacking": None if one.lacking is None else _record_json(one.lacking)
                | {"false_kwh_per_day": _finite(one.lacking.false_kwh_per_day)},
            }
            for one in found.appliances
        ],
    }  # fmt: skip


def _record_json(record: Coverage | Lacking) -> dict[str, object]:
    return {
        key: _finite(value) if isinstance(value, float) else value
        for key, value in dataclasses.asdict(record).items()
    }


def show_benchmark(
    protocol: str, found: tuple[Sequence[str], Sequence[Sequence[str]]], files: Sequence[Path]
) -> None:
    """Everybody's MAE by appliance, and where the whole table is."""
    titles, rows = found
    show_table(f"{protocol}: MAE in W on homes never seen in training", titles, rows)
    for path in files:
        output().print(str(path))


def show_prediction(made: Prediction, card: Card) -> None:
    """What each appliance used, and where the tables are."""
    days = [day for day in made.days if day.measured_seconds > 0]
    measured = sum(day.measured_seconds for day in days)
    coverage = measured / max(len(made.mains.power) * card.sample_period, 1)
    totals = {
        name: sum(day.energy_kwh[name] for day in days) for name in (MAINS, *card.appliance_names, OTHER)
    }
    rows = []
    ends = _ends(made, card)
    for name, energy in totals.items():
        uses = sum(each.appliance == name for each in made.activations)
        per_day = energy / measured * SECONDS_PER_DAY if measured else float("nan")
        share = 100 * energy / totals[MAINS] if totals[MAINS] else float("nan")
        counted = "" if name in (MAINS, OTHER) else f"{uses:,}"
        rows.append(
            (
                name,
                _number(energy, 2),
                ends.get(name, ""),
                _number(per_day, 2),
                _number(share, 1, " %"),
                counted,
            )
        )
    caption = f"{_moment(made.mains.start)} UTC, {measured / SECONDS_PER_DAY:,.1f} days measured ({100 * coverage:.0f} % of the span), by {card.reference}"
    show_table(
        "what each appliance used",
        ("", "kWh", "kWh, low to high", "kWh/day", "share", "uses"),
        rows,
        caption=caption,
    )
    _show_presence(made, card, days=measured / SECONDS_PER_DAY)
    for note in made.notes:
        output().print(note, style="yellow", markup=False, highlight=False)
    if coverage < LOW_COVERAGE:
        output().print(
            f"Only {100 * coverage:.0f} % of the span is measured: a reading is held for {card.max_gap:g} s at most. "
            "If your meter only reports changes, say how long a reading holds: --max-gap 3600",
            style="yellow",
        )
    for path in made.files:
        output().print(str(path))


def _ends(made: Prediction, card: Card) -> dict[str, str]:
    """Where the energy of each appliance lies, in words."""
    if made.whole is None:
        return {}
    ends = zip(card.appliance_names, made.whole.low.tolist(), made.whole.high.tolist(), strict=True)
    return {
        name: "-" if low != low else f"{_number(low, 2)} to {_number(high, 2)}" for name, low, high in ends
    }


def _show_presence(made: Prediction, card: Card, *, days: float) -> None:
    if card.calibration is None:
        output().print(NO_INTERVALS, style="yellow")
    for name, presence in zip(card.appliance_names, made.presence, strict=True):
        if name in made.absent and presence is not None:
            output().print(
                f"{name}: probably not in this home (probability {presence:.2f} that it is)"
                + (f", or not used in these {days:.0f} days" if days < _DAYS_OF_ALL else "")
                + ", so it is said to draw nothing",
                style="yellow",
            )


def show_batch(made: Manifest, output_address: str, *, as_json: bool) -> None:
    """What a run over many homes came to."""
    if as_json:
        _print_json(made.model_dump(mode="json", exclude={"files"}))
        return
    rows = [
        ("homes scored", f"{made.homes_done:,}"),
        ("homes refused", f"{made.homes_refused:,}"),
        ("readings", f"{made.rows_in:,}"),
        *((f"rows of {table}", f"{count:,}") for table, count in made.rows_out.items()),
    ]
    show_table("what was scored", ("", "number"), rows, caption=f"by {made.plan.bundle}")
    for each in made.refused[:REFUSALS_SHOWN]:
        output().print(
            f"refused: {each.home or each.source}: {each.reason}",
            style="yellow",
            markup=False,
            highlight=False,
        )
    if len(made.refused) > REFUSALS_SHOWN:
        output().print(f"… and more, in {output_address}/refused", style="yellow")
    output().print(output_address)


def show_export(bundle: Bundle, path: Path, parity: Parity) -> None:
    """How far the graph is from its network."""
    output().print(
        f"{bundle.card.reference}: the graph differs from the network by at most {parity.power:.2g} W and "
        f"{parity.on_probability:.2g} in probability, over {parity.num_windows} windows\n{path}"
    )


def show_quantised(bundle: Bundle, path: Path) -> None:
    """What a bundle in 8-bit integers lost and won."""
    found = bundle.card.quantisation
    assert found is not None
    rows = [
        (
            each.appliance, _number(each.mae, 2), _number(each.mae_int8, 2), _number(each.f1, 3), _number(each.f1_int8, 3),
            _number(each.difference, 2), _number(100 * each.flipped, 2, " %"),
        )
        for each in found.appliances
    ]  # fmt: skip
    show_table(
        f"{bundle.card.reference} against {found.source}, on what it was validated on",
        ("appliance", "MAE\nW", "int8", "F1", "int8", "apart\nW", "on-states\nchanged"),
        rows,
        caption=f"the graph has {found.size_share:.2f} of the size; one thread here takes {found.time_share:.2f} of the time",
    )
    output().print(f"bundle: {bundle.folder}\n{path}")


def show_models(registry: Registry, *, as_json: bool) -> None:
    """Every version of every model, those that ship with the package last."""
    behind = registry.behind()
    own = registry.cards()
    listed = [(card, _production(registry, card), False) for card in own]
    served = any(production for _, production, _ in listed)
    if behind is not None:
        shipped = [card for card in behind.cards() if card not in own]
        listed += [(card, not served and _production(behind, card), True) for card in shipped]
    if as_json:
        _print_json(
            [
                {
                    "reference": card.reference, "production": production, "shipped": shipped,
                    "card": card.model_dump(mode="json"),
                }
                for card, production, shipped in listed
            ]
        )  # fmt: skip
        return
    rows = [
        (
            card.reference, " ".join(["yes"] * production + ["shipped"] * shipped), card.network,
            f"{card.num_weights:,}", f"{card.sample_period:g} s", ", ".join(card.appliance_names), card.created[:10],
        )
        for card, production, shipped in listed
    ]  # fmt: skip
    several = len({card.name for card, production, _ in listed if production}) > 1
    show_table(
        f"models in {registry.root}",
        ("model", "production", "network", "weights", "period", "appliances", "created"),
        rows,
        caption=f"{registry.promoted_last()} answers where none is named: it was promoted last"
        if several
        else "",
    )


def _production(registry: Registry, card: Card) -> bool:
    return str(registry.production(card.name)) == card.version


def _precision(card: Card) -> str:
    return "" if card.quantisation is None else f" in 8-bit integers, from {card.quantisation.source}"


def _calibrated_on(card: Card) -> str:
    if card.calibration is None:
        return "none: never calibrated"
    homes = "\n".join(f"{each.appliance}: {len(each.homes)} homes" for each in card.calibration.appliances)
    return f"hold {100 * card.calibration.level:.0f} % of truths, fitted on\n{homes}"


def _learned_from(card: Card) -> list[str]:
    """The homes and the models that taught it, a line a role."""
    from energy_dissagregation_mlops.store import listed

    bundles = (
        ("began from", (card.start,) if card.start else ()),
        ("taught by", card.teachers),
        ("put together from", card.members),
    )
    roles = dict.fromkeys(house.role for house in card.houses)
    return [
        f"{role}: {listed([house.reference for house in card.houses if house.role is role])}"
        for role in roles
    ] + [f"{role}: {', '.join(names)}" for role, names in bundles if names]


def show_card(bundle: Bundle, *, as_json: bool) -> None:
    """A bundle's card."""
    card = bundle.card
    if as_json:
        _print_json(card.model_dump(mode="json") | {"sha256": bundle.sha256})
        return
    rows = [
        ("model", card.reference), ("description", card.description or "-"),
        ("network", f"{card.network}, {card.num_weights:,} weights{_precision(card)}"),
        ("grid", f"{card.sample_period:g} s, windows of {card.window_length} samples, {card.margin} of context at either end"),
        ("appliances", ", ".join(card.appliance_names)),
        ("learned from", "\n".join(_learned_from(card))),
        ("data", "\n".join(f"{each.title}; {each.licence}; {each.attribution}".rstrip("; ") for each in card.attributions)),
        ("intervals", _calibrated_on(card)),
        ("unseen homes", "\n".join(model_card.unseen(card))),
        ("where it fails", "\n".join(model_card.failures(card)) or "nowhere in these homes"),
        ("seed", str(card.seed)), ("commit", card.git_commit or "-"), ("created", card.created), ("sha256", bundle.sha256),
        ("folder", str(bundle.folder)),
    ]  # fmt: skip
    from rich.table import Table

    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in rows:
        table.add_row(key, value)
    output().print(table)


def show_runs(runs: Sequence[RecordedRun], *, as_json: bool) -> None:
    """Training runs on record, a line each."""
    if as_json:
        _print_json([dataclasses.asdict(each) for each in runs])
        return
    rows = [
        (
            each.run[:ID_DIGITS], each.name, each.status, _moment(each.began),
            _number(None if each.ended is None else (each.ended - each.began) / 60), str(each.epochs),
            _number(each.score, 3), each.bundle or each.error or "-",
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
        _print_json([dataclasses.asdict(each) for each in runs])
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
    rows = [(key, *(_number(each.metrics.get(key), _digits(key)) for each in runs)) for key in keys]
    show_table("what they came to on validation, at the best epoch", titles, rows)


def _digits(metric: str) -> int:
    """Digits behind the point that say something of a metric."""
    if metric in ("epoch", "samples_per_second"):
        return 0
    return 1 if "mae/" in metric else 3


def show_search(found: Found, *, as_json: bool) -> None:
    """What a search came to, the best trials first."""
    if as_json:
        _print_json(
            {
                "study": found.study, "output": str(found.output),
                "trials": [dataclasses.asdict(each) for each in found.trials],
            }
        )  # fmt: skip
        return
    keys = list(dict.fromkeys(key for each in found.trials for key in each.values))
    rows = [
        (
            str(each.number), each.state, _number(each.score, 3),
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
