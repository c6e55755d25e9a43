"""The models there are, what one is, and what became of its graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from energy_dissagregation_mlops import model_card
from energy_dissagregation_mlops.errors import BundleError
from energy_dissagregation_mlops.results.formatting import number, print_json
from energy_dissagregation_mlops.terminal import output, show_table

if TYPE_CHECKING:
    from energy_dissagregation_mlops.bundle import Bundle, Card
    from energy_dissagregation_mlops.export import Parity
    from energy_dissagregation_mlops.registry import Registry


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
        print_json(
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
        caption=_answering(registry) if several else "",
    )


def _answering(registry: Registry) -> str:
    try:
        return f"{registry.promoted_last()} answers where none is named: it was promoted last"
    except BundleError as error:
        return f"none answers where none is named: {error}"


def _production(registry: Registry, card: Card) -> bool:
    return str(registry.production(card.name)) == card.version


def show_card(bundle: Bundle, *, as_json: bool) -> None:
    """A bundle's card."""
    card = bundle.card
    if as_json:
        print_json(card.model_dump(mode="json") | {"sha256": bundle.sha256})
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
            each.appliance, number(each.mae, 2), number(each.mae_int8, 2), number(each.f1, 3), number(each.f1_int8, 3),
            number(each.difference, 2), number(100 * each.flipped, 2, " %"),
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
