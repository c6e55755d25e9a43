"""A made-up home: what it owns, how it lives, and the power it draws, day by day.

A home is a pure function of the seed, its number and the ranges: it is the same whatever other homes
are made, and its first days are the same however long it is watched. It knows true power only; what a
meter makes of it is ``meters``' affair.

Shapes: T samples of a local day (23, 24 or 25 h), ``STEP`` seconds apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.datasets.simulated.loads import Fridge, Load, kind_of
from energy_dissagregation_mlops.datasets.simulated.occupancy import (
    MINUTES,
    Routine,
    coldness,
    darkness,
    wall_to_utc,
)
from energy_dissagregation_mlops.datasets.simulated.parameters import Need, Ranges, UseRanges, draw
from energy_dissagregation_mlops.datasets.simulated.traces import STEP
from energy_dissagregation_mlops.vocabulary import BoolArray, FloatArray

METERED = ("kettle", "fridge", "washing machine", "microwave", "dishwasher")

# Streams of chance: what is drawn in one never shifts what is drawn in another.
_HOME, _DAY, _WEEK = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A load that people use in this home."""

    load: Load
    uses_per_day: float
    weekend: float  # times as many uses then
    minutes: NDArray[np.float64]  # (1440,) weight of each minute of the local day
    needs: Need
    standby: float  # W
    at_once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One local day's true power."""

    start: float  # s since 1970, UTC: local midnight
    mains: FloatArray  # (T,) W, everything
    appliances: Mapping[str, FloatArray]  # (T,) W, those that have a plug meter


@dataclass(frozen=True, slots=True, kw_only=True)
class _Activation:
    name: str
    start: float  # s since 1970, UTC
    trace: FloatArray

    @property
    def end(self) -> float:
        return self.start + STEP * self.trace.size


@dataclass(slots=True)
class _Progress:
    """What one day hands on to the next: running activations, and when each load is free again."""

    running: list[_Activation] = field(default_factory=list)
    free: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """A home; ``days`` is its life."""

    seed: int
    house: int
    first_day: date
    zone: ZoneInfo
    latitude: float
    away_week: float  # chance
    base_load: float  # W
    routine: Routine
    cold: Mapping[str, Fridge]
    used: Mapping[str, Use]

    @property
    def metered(self) -> tuple[str, ...]:
        """The appliances that this home owns and measures."""
        return tuple(name for name in METERED if name in self.cold or name in self.used)

    def days(self, num_days: int) -> Iterator[Day]:
        """The power of one local day after another; only what still runs is kept between them."""
        progress = _Progress()
        for index in range(num_days):
            yield self._day(self.first_day + timedelta(days=index), progress)

    def _rng(self, stream: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.house, stream, number])

    def _day(self, day: date, progress: _Progress) -> Day:
        rng = self._rng(_DAY, day.toordinal())
        start = wall_to_utc(day, 0, self.zone)
        end = wall_to_utc(day + timedelta(days=1), 0, self.zone)
        present = self._presence(day, rng)
        activations = [*progress.running, *self._uses(day, present, progress, rng)]
        activations += self._cycles((start, end), day, progress, rng)
        progress.running = [activation for activation in activations if activation.end > end]
        return self._sum(activations, start, round((end - start) / STEP), rng)

    def _presence(self, day: date, rng: np.random.Generator) -> BoolArray:
        present = self.routine.presence(day, rng)
        # Weeks away begin on a Saturday; ordinal 1 was a Monday.
        week = (day.toordinal() + 1) // 7
        away = self._rng(_WEEK, week).random() < self.away_week
        return np.zeros_like(present) if away else present

    def _uses(
        self, day: date, present: BoolArray, progress: _Progress, rng: np.random.Generator
    ) -> Iterator[_Activation]:
        dark = darkness(day, latitude=self.latitude, zone=self.zone)
        for name, use in self.used.items():
            weights = use.minutes * present * (dark if use.needs is Need.DARKNESS else 1.0)
            rate = use.uses_per_day * (use.weekend if day.weekday() >= 5 else 1.0)
            rate *= coldness(day) if use.needs is Need.COLD else 1.0
            if not weights.any():
                continue
            count = rng.poisson(rate)
            minutes = rng.choice(MINUTES, size=count, p=weights / weights.sum())
            for seconds in np.sort(60.0 * minutes + rng.uniform(0, 60, size=count)):
                start = max(wall_to_utc(day, float(seconds), self.zone), progress.free.get(name, 0.0))
                activation = _Activation(name=name, start=start, trace=use.load.trace(rng))
                if not use.at_once:
                    # Nobody fills it again in the very minute in which it ends.
                    progress.free[name] = activation.end + rng.uniform(30, 600)
                yield activation

    def _cycles(
        self, span: tuple[float, float], day: date, progress: _Progress, rng: np.random.Generator
    ) -> Iterator[_Activation]:
        start, end = span
        for name, fridge in self.cold.items():
            moment = progress.free.get(name, start - rng.uniform(0, 60.0 * fridge.on_minutes))
            while moment < end:
                hour = (moment - start) / 3600.0
                # Warmest in the evening, when the door is opened most, and in summer.
                demand = (
                    1.0 + 0.13 * np.cos(2.0 * np.pi * (hour - 18.5) / 24.0) + 0.12 * (0.5 - coldness(day))
                )
                activation = _Activation(
                    name=name, start=moment, trace=fridge.trace(rng, demand=float(demand))
                )
                moment = activation.end
                yield activation
            progress.free[name] = moment

    def _sum(
        self, activations: list[_Activation], start: float, length: int, rng: np.random.Generator
    ) -> Day:
        appliances = {name: np.zeros(length, dtype=np.float32) for name in self.metered}
        for name, use in self.used.items():
            if name in appliances:
                appliances[name] += np.float32(use.standby)
        mains = self._base(length, rng)
        for activation in activations:
            target = appliances.get(activation.name, mains)
            first = round((activation.start - start) / STEP)
            trace = activation.trace[max(-first, 0) : max(length - first, 0)]
            target[max(first, 0) : max(first, 0) + trace.size] += trace
        for power in appliances.values():
            mains += power
        return Day(start=start, mains=mains, appliances=appliances)

    def _base(self, length: int, rng: np.random.Generator) -> FloatArray:
        """What is always on, wandering a little from hour to hour, and unmetered loads on standby."""
        standby = sum(use.standby for name, use in self.used.items() if name not in METERED)
        knots = np.linspace(0, length, 25)
        wander = np.interp(np.arange(length), knots, rng.normal(1.0, 0.03, size=knots.size))
        return (standby + self.base_load * np.clip(wander, 0.8, 1.2)).astype(np.float32)


def draw_household(ranges: Ranges, *, seed: int, house: int) -> Household:
    """The home of this number: every parameter drawn from its range."""
    rng = np.random.default_rng([seed, house, _HOME])
    routines = list(ranges.routines.values())
    shares = np.array([routine.share for routine in routines])
    chosen = routines[rng.choice(len(routines), p=shares / shares.sum())]
    routine = draw(Routine, chosen.model_dump(exclude={"share"}), rng)
    first_day = ranges.first_day + timedelta(days=int(rng.integers(0, 365)))
    base_load = float(rng.uniform(*ranges.base_load))
    cold = {name: (block, draw(Fridge, block.load, rng)) for name, block in ranges.cold.items()}
    used = {name: (block, _draw_use(name, block, routine, rng)) for name, block in ranges.used.items()}
    return Household(
        seed=seed,
        house=house,
        first_day=first_day,
        zone=ZoneInfo(ranges.time_zone),
        latitude=ranges.latitude,
        away_week=ranges.away_week,
        base_load=base_load,
        routine=routine,
        cold={name: fridge for name, (block, fridge) in cold.items() if rng.random() < block.owned},
        used={name: use for name, (block, use) in used.items() if rng.random() < block.owned},
    )


def _draw_use(name: str, ranges: UseRanges, routine: Routine, rng: np.random.Generator) -> Use:
    people = 0.6 + 0.2 * routine.occupants
    hours = np.array(ranges.hours) * rng.lognormal(0.0, 0.35, size=24)
    return Use(
        load=draw(kind_of(name), ranges.load, rng),
        uses_per_day=float(rng.uniform(*ranges.uses_per_day)) * people,
        weekend=float(rng.uniform(*ranges.weekend)),
        minutes=np.repeat(hours, MINUTES // 24),
        needs=ranges.needs,
        standby=float(rng.uniform(*ranges.standby)),
        at_once=ranges.at_once,
    )
