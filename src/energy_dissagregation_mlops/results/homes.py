"""What a file of homes holds, what was made of it, and what was used in a home or in many."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from energy_dissagregation_mlops.results.formatting import (
    NO_INTERVALS,
    moment,
    number,
    print_json,
    record_json,
)
from energy_dissagregation_mlops.terminal import output, show_table
from energy_dissagregation_mlops.vocabulary import MAINS, OTHER, SECONDS_PER_DAY

if TYPE_CHECKING:
    from energy_dissagregation_mlops.batch.run import Manifest
    from energy_dissagregation_mlops.bundle import Card
    from energy_dissagregation_mlops.inspection import MeterSurvey
    from energy_dissagregation_mlops.prediction import Prediction
    from energy_dissagregation_mlops.store import StoredHouse
    from energy_dissagregation_mlops.vocabulary import Dataset

REFUSALS_SHOWN = 5
_DAYS_OF_ALL = 14  # a home uses what it has in so many
LOW_COVERAGE = 0.8  # below it a person is told how to hold readings longer


def show_survey(dataset: Dataset, found: Sequence[MeterSurvey], *, as_json: bool) -> None:
    """What a raw file holds."""
    if as_json:
        print_json(
            {
                "path": str(dataset.path), "kind": dataset.kind, "name": dataset.name,
                **dataclasses.asdict(dataset.source), "meters": [record_json(each) for each in found],
            }
        )  # fmt: skip
        return
    rows = [
        (
            str(each.house), each.name + ("*" if each.shared_with else ""), each.quantity.value,
            moment(each.start)[:10], number(_days(each)), number(each.sample_period, 0, " s"), f"{each.gaps:,}",
            number(None if each.missing_share is None else 100 * each.missing_share, 1, " %"),
            number(each.energy_per_day_kwh, 2),
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
                    number(manifest.length * manifest.sample_period / SECONDS_PER_DAY) if meter.name == MAINS else "",
                    f"{counts['readings']:,.0f}", f"{counts['missing'] + counts['duplicates'] + counts['frozen']:,.0f}",
                    f"{counts['clipped'] + counts['negative']:,.0f}", number(counts["filled_seconds"] / 3600),
                    number(100 * counts["missing_samples"] / max(manifest.length, 1), 1, " %"),
                )
            )  # fmt: skip
    title = f"processed at {houses[0].manifest.sample_period:g} s" if houses else "processed"
    show_table(
        title, ("house", "meter", "days", "readings", "dropped", "clipped", "filled\nh", "missing"), rows
    )
    for house in houses:
        output().print(str(house.folder))


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
        cells = number(energy, 2), ends.get(name, ""), number(per_day, 2), number(share, 1, " %"), counted
        rows.append((name, *cells))
    caption = f"{moment(made.mains.start)} UTC, {measured / SECONDS_PER_DAY:,.1f} days measured ({100 * coverage:.0f} % of the span), by {card.reference}"
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
    return {name: "-" if low != low else f"{number(low, 2)} to {number(high, 2)}" for name, low, high in ends}


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
        print_json(made.model_dump(mode="json", exclude={"files"}))
        return
    rows = [
        ("homes scored", f"{made.homes_done:,}"),
        ("homes refused", f"{made.homes_refused:,}"),
        ("readings", f"{made.rows_in:,}"),
        *((f"rows of {table}", f"{count:,}") for table, count in made.rows_out.items()),
    ]
    show_table("what was scored", ("", "number"), rows, caption=f"by {made.plan.bundle}")
    for each in made.refused[:REFUSALS_SHOWN]:
        told = f"refused: {each.home or each.source}: {each.reason}"
        output().print(told, style="yellow", markup=False, highlight=False)
    if len(made.refused) > REFUSALS_SHOWN:
        output().print(f"… and more, in {output_address}/refused", style="yellow")
    output().print(output_address)
