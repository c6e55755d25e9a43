"""How good a model is on homes that it never saw."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from energy_dissagregation_mlops.metrics import or_none
from energy_dissagregation_mlops.results.formatting import (
    NO_INTERVALS,
    TOO_LITTLE,
    number,
    percent,
    print_json,
    record_json,
)
from energy_dissagregation_mlops.terminal import output, show_table

if TYPE_CHECKING:
    from energy_dissagregation_mlops.calibration.coverage import Coverage
    from energy_dissagregation_mlops.evaluation import Evaluation, Lacking

_WIDTH = 80  # characters of the narrowest terminal that texts are made for


def show_evaluations(found: Sequence[Evaluation], *, as_json: bool) -> None:
    """Scores on unseen houses, each beside its baselines."""
    if as_json:
        print_json([_evaluation_json(each) for each in found])
        return
    for each in found:
        rows = [
            (
                one.appliance, number(one.model.mae), number(one.always_off.mae), number(one.mean_power.mae),
                number(one.model.f1, 2), number(one.model.sae, 2),
                f"{number(one.model.energy_per_day_true_kwh, 2)} / {number(one.model.energy_per_day_predicted_kwh, 2)}",
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
        (one.appliance, *_held_cells(one.coverage), number(one.presence, 2), *_lacking_cells(one.lacking))
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
        rows, caption=caption if known else f"{textwrap.fill(TOO_LITTLE if found.calibrated else NO_INTERVALS, _WIDTH)}\n{caption}",
    )  # fmt: skip


def _held_cells(held: Coverage | None) -> tuple[str, ...]:
    if held is None:
        return ("-",) * 4
    return (
        percent(held.power), percent(held.day), number(held.day_width_kwh, 2), "yes" if held.whole else "no"
    )  # fmt: skip


def _lacking_cells(lacking: Lacking | None) -> tuple[str, ...]:
    if lacking is None:
        return ("-",) * 3
    return number(lacking.presence, 2), number(lacking.false_power), number(lacking.false_kwh_per_day, 2)


def _evaluation_json(found: Evaluation) -> dict[str, object]:
    return {
        "bundle": found.bundle, "bundle_sha256": found.bundle_sha256, "house": found.house,
        "sample_period": found.sample_period, "unmetered": list(found.unmetered),
        "not_compared": found.num_absent,
        "appliances": [
            {
                "appliance": one.appliance, "model": one.model.to_json(),
                "always_off": one.always_off.to_json(), "mean_power": one.mean_power.to_json(),
                "days": one.days, "mae_95": [or_none(one.mae_interval.low), or_none(one.mae_interval.high)],
                "coverage": None if one.coverage is None else record_json(one.coverage),
                "presence": one.presence,
                "lacking": None if one.lacking is None else record_json(one.lacking)
                | {"false_kwh_per_day": or_none(one.lacking.false_kwh_per_day)},
            }
            for one in found.appliances
        ],
    }  # fmt: skip


def show_benchmark(
    protocol: str, found: tuple[Sequence[str], Sequence[Sequence[str]]], files: Sequence[Path]
) -> None:
    """Everybody's MAE by appliance, and where the whole table is."""
    titles, rows = found
    show_table(f"{protocol}: MAE in W on homes never seen in training", titles, rows)
    for path in files:
        output().print(str(path))
