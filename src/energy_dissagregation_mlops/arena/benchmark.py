"""A protocol, carried out: houses into the store, leaks refused, everybody trained and scored.

What is trained lies under the output folder, so that an interrupted benchmark goes on where it was and
one that is run again trains nothing twice.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from energy_dissagregation_mlops.appliances import Appliance, select
from energy_dissagregation_mlops.arena import guards
from energy_dissagregation_mlops.arena.baselines import fitted
from energy_dissagregation_mlops.arena.contests import Entry, Trial, named, run_of, trained, tried
from energy_dissagregation_mlops.arena.data import prepare
from energy_dissagregation_mlops.arena.protocol import Contestant, Protocol, Split
from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.training.progress import Progress, Report
from energy_dissagregation_mlops.vocabulary import Update

logger = logging.getLogger(__name__)

MODELS = "models"  # the folder of what was trained, under the output folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things lie."""

    store: Store
    raw: Path  # raw files are looked for here first
    output: Path  # what is trained, and the tables


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """Everybody's scores on one split's test houses: baselines first."""

    split: Split
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a protocol, or of the part of it that was asked for."""

    protocol: Protocol
    splits: tuple[SplitResult, ...]


def part_of(protocol: Protocol, *, splits: Sequence[str] = (), contestants: Sequence[str] = ()) -> Protocol:
    """A protocol with these splits and contestants alone, and whom those learn from; with all where none is named.

    Raises:
        UnknownNameError: there is no such split or contestant.
    """
    wanted = {
        name for each in contestants for name in _with_predecessors(protocol, protocol.contestant(each))
    }
    kept = {
        "splits": tuple(map(protocol.split, splits)) or protocol.splits,
        "contestants": tuple(each for each in protocol.contestants if not wanted or each.name in wanted),
    }
    return protocol.model_copy(update=kept)


def _with_predecessors(protocol: Protocol, contestant: Contestant) -> set[str]:
    before = (_with_predecessors(protocol, protocol.contestant(name)) for name in contestant.learns_from)
    return {contestant.name}.union(*before)


def run(protocol: Protocol, places: Places, *, progress: Update) -> Result:
    """Carry a protocol out.

    Args:
        protocol: or a part of one.
        places: the store and the folders.
        progress: told of trainings done and in all.

    Raises:
        LeakError: a test house or day was seen, or would be.
        EdmlopsError: the houses can't be had, or a training fails.
    """
    prepare(
        protocol, protocol.splits, places.store, raw=places.raw,
        progress=lambda done, total, what: progress(done, total, f"the homes: {what}"),
    )  # fmt: skip
    # Every split is checked before anything is trained for one.
    rings = [_Ring.opened(protocol, split, places) for split in protocol.splits]
    trials = sum(len(protocol.seeds_of(each)) for each in protocol.contestants)
    steps = _Steps(total=len(rings) * trials, update=progress)
    return Result(protocol=protocol, splits=tuple(ring.result(steps) for ring in rings))


@dataclass(slots=True, kw_only=True)
class _Steps:
    """How many trainings are done, and how far the one at hand is."""

    total: int
    update: Update
    done: int = 0

    def report(self, title: str) -> Report:
        """Who is told of one training's progress."""

        def told(progress: Progress) -> None:
            note = f"{title}, epoch {progress.epoch} of {progress.epochs}"
            self.update(self.done + progress.step / progress.steps, self.total, note)
            if progress.validation is not None:
                logger.info("%s: validation %.3f of always-off", note, progress.validation.score)

        return told

    def finish(self, title: str) -> None:
        """One training is done."""
        self.done += 1
        self.update(self.done, self.total, title)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ring:
    """One split with its houses open, and nothing leaking between them."""

    protocol: Protocol
    split: Split
    places: Places
    houses: Mapping[str, StoredHouse]  # by reference
    known: tuple[Appliance, ...]

    @staticmethod
    def opened(protocol: Protocol, split: Split, places: Places) -> _Ring:
        """Open a split's houses.

        Raises:
            LeakError: they leak.
            ConfigError, StoreError: an appliance has no meter in training, or other thresholds hold.
        """
        houses = {
            reference: places.store.open(reference, protocol.sample_period)
            for reference in (*split.seen, *split.test)
        }
        known = select(split.appliances or protocol.appliances)
        guards.check_split(split, houses)
        guards.check_thresholds(protocol, known, houses.values())
        _check_metered(split, houses, known)
        return _Ring(protocol=protocol, split=split, places=places, houses=houses, known=known)

    def result(self, steps: _Steps) -> SplitResult:
        """Everybody's scores."""
        predictors = fitted(self.known, [self.houses[each] for each in self.split.train])
        entries = [
            Entry(name=name, network=None, num_weights=0, trials=(tried(each, self._tested, self.known),))
            for name, each in predictors.items()
        ]
        entries += [self._entry(contestant, steps) for contestant in self.protocol.contestants]
        return SplitResult(split=self.split, entries=tuple(entries))

    @property
    def _tested(self) -> list[StoredHouse]:
        return [self.houses[each] for each in self.split.test]

    def _entry(self, contestant: Contestant, steps: _Steps) -> Entry:
        found = [self._trial(contestant, seed, steps) for seed in self.protocol.seeds_of(contestant)]
        return Entry(
            name=contestant.name,
            network=contestant.network,
            num_weights=found[0][0],
            trials=tuple(trial for _, trial in found),
        )

    def _trial(self, contestant: Contestant, seed: int, steps: _Steps) -> tuple[int, Trial]:
        """The number of weights, and the scores of one contestant with one seed."""
        title = f"{self.split.name}, {contestant.name}, seed {seed}"
        bundle = self._trained(contestant, seed, steps.report(title))
        guards.check_bundle(bundle, self.split, self.houses, known=self.known)
        steps.finish(title)
        return bundle.card.num_weights, tried(
            Disaggregator.load(bundle), self._tested, self.known, bundle=bundle
        )

    def _trained(self, contestant: Contestant, seed: int, report: Report) -> Bundle:
        """A contestant's bundle; whom it learns from is trained before it."""

        def reference(name: str, seed: int) -> str:
            return self._trained(self.protocol.contestant(name), seed, report).card.reference

        def references(name: str | None, seeds: tuple[int, ...]) -> tuple[str, ...]:
            return () if name is None else tuple(reference(name, each) for each in seeds)

        run = dataclasses.replace(
            run_of(self.protocol, self.split, contestant, seed=seed),
            start=None if contestant.start is None else reference(contestant.start, seed),
            teachers=references(contestant.teachers, self.protocol.teachers_of(contestant)),
            members=references(contestant.members, self.protocol.members_of(contestant, seed)),
        )
        run = named(
            run,
            f"{contestant.name}-{self.split.name}-{seed}",
            [self.houses[each].manifest for each in self.split.seen],
        )
        registry = Registry(self.places.output / MODELS, shipped=None)
        return trained(self.places.store, registry, run, report=report)


def _check_metered(split: Split, houses: Mapping[str, StoredHouse], known: Sequence[Appliance]) -> None:
    for role in ("train", "test"):
        used = set[str]().union(*(houses[reference].used for reference in getattr(split, role)))
        absent = [each.name for each in known if each.name not in used]
        if absent:
            raise ConfigError(
                f"split {split.name}: no house to {role} on has used and metered {', '.join(absent)}: "
                "add one that has, or leave the appliance out of the split"
            )
