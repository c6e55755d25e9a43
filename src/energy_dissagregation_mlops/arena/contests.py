"""Contestants and baselines, trained where that is still to be done, and scored on the test houses.

A trained bundle is kept under a name that ends in a hash of its configuration and of the readings it was
trained on: it is trained again when one of these changes, and found otherwise. The code that trained it
is named in its card, and not looked at here.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops.appliances import Appliance
from energy_dissagregation_mlops.arena.baselines import Predictor
from energy_dissagregation_mlops.arena.protocol import Contestant, Protocol, Split
from energy_dissagregation_mlops.bootstrap import by_day
from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.calibration.coverage import Coverage
from energy_dissagregation_mlops.calibration.series import KnownHome, lacking
from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.evaluation import coverage_of, false_power, kwh_per_day, traces
from energy_dissagregation_mlops.files import sha256_of_json
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.summary import settled
from energy_dissagregation_mlops.metrics import Scores, Totals, score
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Manifest, Store, StoredHouse
from energy_dissagregation_mlops.tracking.recording import train
from energy_dissagregation_mlops.training.progress import Report
from energy_dissagregation_mlops.vocabulary import Disaggregation, FloatArray

_HASH_LENGTH = 12  # hexadecimal digits: enough for the runs of a lifetime


COVERAGES = {"power_coverage": "power", "day_coverage": "day"}  # figure: field of ``Coverage``


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseScore:
    """One predictor on one appliance of one house."""

    house: str
    appliance: str
    scores: Scores
    days: tuple[Totals, ...]
    coverage: Coverage | None  # of its intervals; None of who gives none
    false_power: float  # W said of the appliance in the same home without it; nan where it was never on

    def figure(self, name: str) -> float:
        """One of the scores, of the intervals' coverage, or the false energy, by name; nan where there is none."""
        if name == "false_power":
            return self.false_power
        if name == "false_kwh_per_day":
            return kwh_per_day(self.false_power)
        if name in COVERAGES:
            return float("nan") if self.coverage is None else float(getattr(self.coverage, COVERAGES[name]))
        return float(getattr(self.scores, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One predictor on all test houses of a split: a baseline, or a contestant with one seed."""

    seed: int | None  # None for a baseline
    bundle: str | None  # its reference among the arena's own
    bundle_sha256: str | None
    git_commit: str | None  # of the code that trained it
    samples_per_second: float  # of mains, all appliances at once
    houses: tuple[HouseScore, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a split's table: a baseline, or a contestant with all its seeds."""

    name: str
    network: str | None  # None for a baseline
    num_weights: int
    trials: tuple[Trial, ...]


def run_of(protocol: Protocol, split: Split, contestant: Contestant, *, seed: int) -> RunConfig:
    """The training run of a contestant with a seed, as `edmlops train` would be given it; without a name."""
    training = dataclasses.replace(
        protocol.training_of(contestant), seed=seed, validation_houses=split.validation
    )
    return RunConfig(
        description=f"{contestant.name} in {protocol.name}, split {split.name}",
        sample_period=protocol.sample_period,
        appliances=split.appliances or tuple(protocol.appliances),
        houses=split.seen,
        test_houses=split.test,
        network=contestant.network,
        network_options=contestant.network_options,
        training=training,
    )


def named(run: RunConfig, prefix: str, houses: Sequence[Manifest]) -> RunConfig:
    """The run under a name that changes with its configuration and with the readings of its houses."""
    readings = [
        [each.reference, each.start, each.length, each.configuration, [meter.sha256 for meter in each.meters]]
        for each in houses
    ]
    digest = sha256_of_json([run.settings(), readings])
    return dataclasses.replace(run, name=f"{prefix}-{digest[:_HASH_LENGTH]}")


def trained(store: Store, registry: Registry, run: RunConfig, *, report: Report) -> Bundle:
    """The bundle of a run: found, or trained from where an interrupted training stood.

    Raises:
        EdmlopsError: as ``recording.train``.
    """
    versions = registry.versions(run.name)
    if versions:
        return registry.resolve(f"{run.name}@{versions[-1]}")
    bundle = train(store, registry, run, resume=True, report=report)
    assert bundle is not None  # the arena is no distributed run
    return bundle


def tried(
    predictor: Predictor, houses: Sequence[StoredHouse], known: Sequence[Appliance], *,
    bundle: Bundle | None = None,
) -> Trial:  # fmt: skip
    """Score a predictor on test houses.

    Args:
        predictor: a baseline, or the disaggregator that users are served by.
        houses: the test houses.
        known: the appliances to score, where a house meters them.
        bundle: of a contestant.
    """
    found: list[HouseScore] = []
    seconds, num_samples = 0.0, 0
    for house in houses:
        mains, start = np.asarray(house.mains), house.manifest.start
        began = time.perf_counter()
        answer = _answer(predictor, mains, start)
        seconds += time.perf_counter() - began
        num_samples += len(mains)
        for each in known:
            if each.name in house.manifest.appliances and each.name in answer.appliances:
                true, said = traces(each, house, answer)
                place: Mapping[str, float] = {"sample_period": answer.sample_period, "start": start}
                found.append(
                    HouseScore(
                        house=house.manifest.reference,
                        appliance=each.name,
                        scores=score(true, said, **place),
                        days=by_day(true, said, **place),
                        coverage=_coverage(predictor, house, answer, each.name),
                        false_power=_false_power(predictor, house, each.name),
                    )
                )
    return Trial(
        seed=None if bundle is None else bundle.card.seed,
        bundle=None if bundle is None else bundle.card.reference,
        bundle_sha256=None if bundle is None else bundle.sha256,
        git_commit=None if bundle is None else bundle.card.git_commit,
        samples_per_second=num_samples / max(seconds, 1e-9),
        houses=tuple(found),
    )


def _answer(predictor: Predictor, mains: FloatArray, start: float) -> Disaggregation:
    """As users are answered: a bundle that knows what is probably not there says so."""
    if isinstance(predictor, Disaggregator):
        return settled(predictor, mains, start=start)
    return predictor.disaggregate(mains, start=start)


def _coverage(predictor: Predictor, house: StoredHouse, answer: Disaggregation, name: str) -> Coverage | None:
    if not isinstance(predictor, Disaggregator):
        return None
    home = KnownHome.of(house, predictor.card)
    return coverage_of(predictor, home, answer, predictor.card.appliance_names.index(name))


def _false_power(predictor: Predictor, house: StoredHouse, name: str) -> float:
    """W said of an appliance where its power was taken from the mains."""
    power, on = house.measured(name)
    if not on.any():
        return float("nan")
    without = lacking(np.asarray(house.mains), np.asarray(power))
    answer = _answer(predictor, without, house.manifest.start)
    return false_power(answer, answer.appliances.index(name))
