"""How good a bundle is on houses that it never saw, through the very path that users are served.

Every score stands beside those of two predictors that look at nothing: always off, and each
appliance's mean power in the training houses. A house that training has seen is refused.

Shapes: T series length, A appliances.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops.activations import cleaned_on
from energy_dissagregation_mlops.appliances import Appliance
from energy_dissagregation_mlops.bootstrap import Interval, by_day, interval, resampled
from energy_dissagregation_mlops.bundle import ApplianceCard, Bundle, Card, UnseenScore, with_card
from energy_dissagregation_mlops.calibration.coverage import Coverage
from energy_dissagregation_mlops.calibration.series import KnownHome
from energy_dissagregation_mlops.calibration.tables import Said
from energy_dissagregation_mlops.errors import ConfigError, LeakError, StoreError
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.summary import answered
from energy_dissagregation_mlops.metrics import Scores, Trace, mae, or_none, score
from energy_dissagregation_mlops.seen import Seen
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.vocabulary import (
    JOULES_PER_KWH,
    SECONDS_PER_DAY,
    BoolArray,
    Disaggregation,
    FloatArray,
    Update,
    unwatched,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplianceEvaluation:
    """One appliance of one house: the model's scores, and those of the predictors that look at nothing."""

    appliance: str
    model: Scores
    days: int  # with a sample that is scored
    mae_interval: Interval  # W, where the model's lies by the bootstrap over days
    always_off: Scores
    mean_power: Scores
    coverage: Coverage | None  # None where the bundle gives no interval
    presence: float | None  # probability that the home has it; None where the bundle does not say
    lacking: Lacking | None  # None where it was never on


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """What is said of an appliance in the same home without it: its power taken from the mains."""

    false_power: float  # W, mean of what is said
    presence: float | None

    @property
    def false_kwh_per_day(self) -> float:
        """The same as energy."""
        return kwh_per_day(self.false_power)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A bundle on one house."""

    bundle: str  # "home@3"
    bundle_sha256: str
    house: str  # "ukdale:2"
    sample_period: float  # s
    appliances: tuple[ApplianceEvaluation, ...]
    calibrated: bool  # whether the bundle was
    unmetered: tuple[str, ...]  # appliances of the bundle that the house has no meter for
    num_absent: int  # houses that it has seen and whose hours could not be compared


def unseen_houses(card: Card, store: Store, seen: Seen) -> list[str]:
    """References of the stored houses of the bundle's period that training has not seen.

    Raises:
        StoreError: there is none.
    """
    found = [each.reference for each in store.manifests(card.sample_period)]
    unseen = [each for each in found if not seen.called(store.open(each, card.sample_period))]
    if not unseen:
        held = ", ".join(found) or "nothing"
        raise StoreError(
            f"no house at {card.sample_period:g} s in {store.root} is new to {card.reference} (it holds {held}): "
            "preprocess another house, or train with --test-house to keep one unseen"
        )
    return unseen


def evaluate_all(
    bundle: Bundle, store: Store, houses: Sequence[str], *,
    stand_ins: Mapping[str, Bundle], progress: Update = unwatched,
) -> list[Evaluation]:  # fmt: skip
    """Score a bundle on houses, and each of its stand-ins on the house that it answers for.

    Args:
        bundle: to score.
        store: the processed houses.
        houses: references, each scored once; where nothing is named, not even a stand-in, all that training has not seen.
        stand_ins: by house, bundles trained alike without it.
        progress: told of houses done and in all.

    Raises:
        ConfigError: a stand-in is not alike.
        LeakError, StoreError: as ``evaluate``; or no house is unseen.
        UnknownNameError: a house that there is not.
    """
    card = bundle.card
    for other in stand_ins.values():
        check_alike(card, other.card)
    seen = Seen.of(card, store)
    own = dict.fromkeys(houses) or (() if stand_ins else unseen_houses(card, store, seen))
    asked = [(reference, bundle, seen) for reference in own]
    asked += [(reference, other, Seen.of(other.card, store)) for reference, other in stand_ins.items()]
    found = []
    for done, (reference, who, its) in enumerate(asked, start=1):
        found.append(evaluate(who, store.open(reference, card.sample_period), its))
        progress(done, len(asked), reference)
    return found


def evaluate(bundle: Bundle, house: StoredHouse, seen: Seen) -> Evaluation:
    """Score a bundle on a house.

    Raises:
        LeakError: training has seen the house or an hour of it, under this name or another.
        StoreError: the house is of another sample period, has none of the bundle's appliances, or was processed with other rules.
    """
    card, manifest = bundle.card, house.manifest
    if called := seen.called(house):
        raise LeakError(
            f"{manifest.reference} was seen in training of {card.reference}, as {called}: a score on it would say nothing; "
            "name another house, or train without it"
        )
    if manifest.sample_period != card.sample_period:
        raise StoreError(
            f"{manifest.reference} is at {manifest.sample_period:g} s, {card.reference} at {card.sample_period:g} s: "
            f"preprocess it with --sample-period {card.sample_period:g}"
        )
    metered = [each for each in card.appliances if each.name in manifest.appliances]
    if not metered:
        raise StoreError(
            f"{manifest.reference} meters none of {', '.join(card.appliance_names)}: evaluate on another house"
        )
    manifest.check_rules(metered)
    told = _Told.of(KnownHome.of(house, card), house, Disaggregator.load(bundle))
    return Evaluation(
        bundle=card.reference, bundle_sha256=bundle.sha256, house=manifest.reference,
        sample_period=card.sample_period, calibrated=card.calibration is not None,
        appliances=tuple(_evaluated(each, told) for each in metered),
        unmetered=tuple(each.name for each in card.appliances if each not in metered),
        num_absent=seen.num_absent,
    )  # fmt: skip


def keep(bundle: Bundle, found: Sequence[Evaluation]) -> Bundle:
    """Write scores into a bundle's card, in place of what it said of these homes before.

    Args:
        bundle: whose card it is.
        found: of the bundle itself, and of stand-ins: models trained alike without the home.

    Raises:
        EdmlopsError: the card can't be written.
    """
    anew = {each.house: each for each in found}  # of a home that was scored twice the last
    told = tuple(
        _unseen_score(each, one) for each in anew.values() for one in each.appliances if one.model.num_samples
    )
    kept = tuple(each for each in bundle.card.unseen if each.house not in anew)
    return with_card(bundle, bundle.card.model_copy(update={"unseen": (*kept, *told)}))


def check_alike(card: Card, other: Card) -> None:
    """Refuse a stand-in whose scores would say nothing of a bundle.

    Raises:
        ConfigError: it is of another network, period or appliances.
    """
    for what, mine, its in (
        ("network", card.network, other.network),
        ("sample period", card.sample_period, other.sample_period),
        ("appliances", card.appliance_names, other.appliance_names),
    ):
        if mine != its:
            raise ConfigError(
                f"{other.reference} can't stand in for {card.reference}: expected the {what} {mine}, found {its}; "
                "train one alike without the home"
            )


def _unseen_score(found: Evaluation, one: ApplianceEvaluation) -> UnseenScore:
    return UnseenScore(
        house=found.house, by=found.bundle, appliance=one.appliance, days=one.days,
        mae=one.model.mae, mae_low=one.mae_interval.low, mae_high=one.mae_interval.high, always_off_mae=one.always_off.mae,
        f1=or_none(one.model.f1),
        power_held=None if one.coverage is None else or_none(one.coverage.power),
        day_held=None if one.coverage is None else or_none(one.coverage.day),
    )  # fmt: skip


def traces(
    known: ApplianceCard | Appliance, house: StoredHouse, found: Disaggregation
) -> tuple[Trace, Trace]:
    """One appliance of a house as it was measured, and as it is said to be.

    The on-states that are said are cleaned as the activations that users get.
    """
    measured, was_on = house.measured(known.name)
    place = found.appliances.index(known.name)
    true = Trace(power=np.asarray(measured), on=np.asarray(was_on))
    on = cleaned_on(
        found.on[place],
        sample_period=found.sample_period,
        min_on_duration=known.min_on_duration,
        min_off_duration=known.min_off_duration,
    )
    return true, Trace(power=found.power[place], on=on)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a bundle says of a house."""

    home: KnownHome
    house: StoredHouse
    disaggregator: Disaggregator
    found: Disaggregation
    presence: list[float | None]  # (A,)

    @classmethod
    def of(cls, home: KnownHome, house: StoredHouse, disaggregator: Disaggregator) -> _Told:
        found, summary = answered(disaggregator, home.mains, start=home.start)
        return cls(
            home=home, house=house, disaggregator=disaggregator, found=found, presence=summary.presence
        )

    def lacking(self, row: int) -> Lacking | None:
        if not self.home.on[row].any():
            return None
        without = self.home.without(row)
        found, summary = answered(self.disaggregator, without.mains, start=without.start)
        return Lacking(false_power=false_power(found, row), presence=summary.presence[row])


def coverage_of(
    disaggregator: Disaggregator, home: KnownHome, found: Disaggregation, row: int
) -> Coverage | None:
    """How often the intervals of an appliance hold the truth in a home; None where the bundle gives none."""
    calibrated = disaggregator.calibrated
    tables = None if calibrated is None else calibrated.appliances[row].intervals
    known = disaggregator.card.appliances[row]
    return None if tables is None else Coverage.of(known, tables, Said.of(home, found, row))


def kwh_per_day(watts: float) -> float:
    """A mean power as energy."""
    return watts * SECONDS_PER_DAY / JOULES_PER_KWH


def false_power(found: Disaggregation, row: int) -> float:
    """W, mean of what is said of an appliance that is not there; NaN where nothing is measured."""
    said = found.power[row][np.isfinite(found.power[row])]
    return float(said.mean(dtype=np.float64)) if len(said) else float("nan")


def _evaluated(known: ApplianceCard, told: _Told) -> ApplianceEvaluation:
    """The model and its two baselines on one appliance."""
    found, row = told.found, told.found.appliances.index(known.name)
    true, predicted = traces(known, told.house, found)
    mean_is_on = known.mean_power >= known.on_power_threshold

    def scores(answer: Trace) -> Scores:
        return score(true, answer, sample_period=found.sample_period, start=found.start)

    days = by_day(true, predicted, sample_period=found.sample_period, start=found.start)
    seed = (zlib.crc32(told.home.reference.encode()),)
    return ApplianceEvaluation(
        appliance=known.name,
        model=scores(predicted),
        days=sum(day.num_samples > 0 for day in days),
        mae_interval=interval(np.array([mae(sums) for sums in resampled(days, seed=seed)])),
        always_off=scores(_constant(0.0, predicted.power, on=False)),
        mean_power=scores(_constant(known.mean_power, predicted.power, on=mean_is_on)),
        coverage=coverage_of(told.disaggregator, told.home, found, row),
        presence=told.presence[row],
        lacking=told.lacking(row),
    )


def _constant(watts: float, like: FloatArray, *, on: bool) -> Trace:
    """A predictor that looks at nothing, where the model had something to look at."""
    present = np.isfinite(like)
    state: BoolArray = present & on
    return Trace(power=np.where(present, np.float32(watts), np.float32(np.nan)), on=state)
