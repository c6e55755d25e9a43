"""Which windows a step trains on, and what is changed in them: drawn from the seed and the step alone.

Nothing is carried from step to step, so a resumed run draws what an uninterrupted one would have, and
every process draws the whole batch and takes its own rows. It does not touch the power itself.

Shapes: N windows of the global batch, L window_length, A appliances, M stretches, R activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training.data import IndexArray, TrainingData
from energy_dissagregation_mlops.vocabulary import BoolArray

_WARP_WAVES = (16.0, 160.0)  # samples: from a phase of an activation to all of it
_STRANGE_SCALES = (0.4, 1.6)
_HOURS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Windows, and for each appliance in them what becomes of it; positions count samples of all stretches."""

    begin: IndexArray  # (N,) where a window begins
    gone: BoolArray  # (N, A) its own power is taken out
    added: BoolArray  # (N, A) power from elsewhere comes in
    source: IndexArray  # (N, A) the middle of an activation elsewhere
    source_begin: IndexArray  # (N, A) where the stretch around it begins
    source_end: IndexArray  # (N, A) and ends
    place: IndexArray  # (N, A) which sample of the window that middle falls on
    stretch: NDArray[np.float32]  # (N, A) it lasts so many times as long
    scale: NDArray[np.float32]  # (N, A) and takes so many times the power
    bend: NDArray[np.float32]  # (N, A) W to this power besides, about 1 kW
    warp: NDArray[np.float32]  # (N, A) how far a moment of it is moved, as a share of what keeps their order
    warp_wave: NDArray[np.float32]  # (N, A) samples of one wave of that
    warp_phase: NDArray[np.float32]  # (N, A) rad, where it begins
    strange: BoolArray  # (N,) what no plug measures elsewhere comes in
    strange_begin: IndexArray  # (N,) where that begins
    strange_scale: NDArray[np.float32]  # (N,) and takes so many times the power

    def rows(self, rows: slice) -> Draw:
        """Some of the windows."""
        return Draw(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """Every activation of one appliance; a house with few is drawn from as often as one with many."""

    middle: IndexArray  # (R,) positions
    stretch: IndexArray  # (R,) which stretch it is in
    up_to: NDArray[np.float64]  # (R,) cumulative chance

    def pick(self, uniform: NDArray[np.float64]) -> IndexArray:
        """The activation that each number from 0 to 1 falls on."""
        found = np.searchsorted(self.up_to, uniform, side="right")
        return np.minimum(found, len(self.up_to) - 1)


class Sampler:
    """Draws the windows of any step."""

    def __init__(
        self, data: TrainingData, config: TrainingConfig, *, window_length: int, margin: int
    ) -> None:
        self._data = data
        self._config = config
        self._window_length = window_length
        self._margin = margin
        self._starts = data.end - data.begin - window_length + 1  # (M,) windows that begin in a stretch
        self._weight = np.array([config.shares.get(name, 1.0) for name in data.dataset])
        self._stretch_up_to = _up_to(self._starts * self._weight / _sums(self._starts, data.dataset))
        self._activations = tuple(
            activations_in(data, number, weight=self._weight) for number in range(len(data.power))
        )

    def draw(self, step: int) -> Draw:
        """The global batch of a step."""
        rng = np.random.default_rng([self._config.seed, step])
        shape = (self._config.batch_size, len(self._activations))
        fate = rng.random(shape)
        known = np.array([len(one.middle) > 0 for one in self._activations])
        added = (fate < self._config.replace) & known
        source, stretch_of = self._sources(rng, shape)
        begin = self._begins(rng)
        strange, strange_begin = self._strangers(rng, begin)
        anywhere = rng.integers(0, self._window_length, shape)
        draw = Draw(
            begin=begin,
            gone=added | (fate >= 1 - self._config.remove),
            added=added,
            source=source,
            source_begin=self._data.begin[stretch_of],
            source_end=self._data.end[stretch_of],
            place=anywhere,
            stretch=_log_uniform(rng, self._config.stretch, shape),
            scale=_log_uniform(rng, self._config.scale, shape),
            bend=rng.uniform(1 - self._config.bend, 1 + self._config.bend, shape).astype(np.float32),
            warp=rng.uniform(0, self._config.warp, shape).astype(np.float32),
            warp_wave=_log_uniform(rng, _WARP_WAVES, shape),
            warp_phase=rng.uniform(0, 2 * np.pi, shape).astype(np.float32),
            strange=strange,
            strange_begin=strange_begin,
            strange_scale=_log_uniform(rng, _STRANGE_SCALES, begin.shape),
        )
        return (
            replace(draw, place=self._at_own_hour(rng, draw, stretch_of)) if self._config.own_hour else draw
        )

    def _at_own_hour(self, rng: np.random.Generator, draw: Draw, stretch_of: IndexArray) -> IndexArray:
        """Where what comes in is placed (N, A): at its own time of day where the window has one, on any of its days.

        At any time of day it would come in where nothing else of its kind does, and whatever is like it
        and stays where people are awake would seem rarer than it is.
        """
        data, day = self._data, self._data.samples_per_day
        own = draw.source - data.begin[stretch_of] + data.clock[stretch_of]
        window = np.searchsorted(data.end, draw.begin, side="right")
        at_first = (draw.begin - data.begin[window] + data.clock[window])[:, None]
        within = rng.integers(-(day // _HOURS), day // _HOURS + 1, own.shape)
        place = (own + within - at_first) % day
        num_days = -(-(self._window_length - place) // day)  # of the window that have this time of day
        place = place + day * (rng.random(own.shape) * num_days).astype(np.int64)
        chosen = (rng.random(own.shape) < self._config.own_hour) & (num_days > 0)
        return np.where(chosen, place, draw.place)

    def _anywhere(self, rng: np.random.Generator, size: int) -> tuple[IndexArray, IndexArray]:
        """Where windows begin, (N,), and in which stretches, (N,)."""
        stretch = np.minimum(
            np.searchsorted(self._stretch_up_to, rng.random(size), side="right"), len(self._starts) - 1
        )
        begin = self._data.begin[stretch] + (rng.random(size) * self._starts[stretch]).astype(np.int64)
        return begin, stretch

    def _strangers(self, rng: np.random.Generator, begin: IndexArray) -> tuple[BoolArray, IndexArray]:
        """Whose rest comes in: from homes that meter what the window's home meters, so that no target is in it."""
        strange_begin, source = self._anywhere(rng, len(begin))
        metered = self._data.metered
        stretch = np.searchsorted(self._data.end, begin, side="right")
        free = ~(metered[stretch] & ~metered[source]).any(axis=1)
        return (rng.random(len(begin)) < self._config.strangers) & free, strange_begin

    def _begins(self, rng: np.random.Generator) -> IndexArray:
        """Windows anywhere, and windows with an activation somewhere in their core."""
        size = self._config.batch_size
        begin, _ = self._anywhere(rng, size)
        in_core = rng.integers(self._margin, self._window_length - self._margin, size)
        wanted = rng.random(size) < self._config.active_share
        appliance = rng.integers(0, len(self._activations), size)
        source, source_stretch = self._sources(rng, (size, len(self._activations)))
        rows = np.arange(size)
        low, high = (bound[source_stretch[rows, appliance]] for bound in (self._data.begin, self._data.end))
        around = np.clip(source[rows, appliance] - in_core, low, high - self._window_length)
        known = np.array([len(one.middle) > 0 for one in self._activations])[appliance]
        return np.where(wanted & known, around, begin)

    def _sources(self, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[IndexArray, IndexArray]:
        uniform = rng.random(shape)
        middle = np.zeros(shape, np.int64)
        stretch = np.zeros(shape, np.int64)
        for number, activations in enumerate(self._activations):
            if len(activations.middle):
                picked = activations.pick(uniform[:, number])
                middle[:, number] = activations.middle[picked]
                stretch[:, number] = activations.stretch[picked]
        return middle, stretch


def activations_in(data: TrainingData, number: int, *, weight: NDArray[np.float64]) -> Activations:
    """The activations of the appliance with this number: unbroken on-states.

    ``weight`` (M,) says how often a stretch's data set is drawn from, against the others.
    """
    on = data.on[number].cpu().numpy()
    edges = np.flatnonzero(np.diff(on.astype(np.int8), prepend=0, append=0))
    middle = edges.reshape(-1, 2).sum(axis=1) // 2
    stretch = np.searchsorted(data.end, middle, side="right")
    house = data.house[stretch]
    if not len(house):
        return Activations(middle=middle, stretch=stretch, up_to=np.empty(0))
    chance = 1 / np.bincount(house)[house]
    of_dataset = [data.dataset[number] for number in stretch]
    chance = chance / _sums(chance, of_dataset) * weight[stretch]
    return Activations(middle=middle, stretch=stretch, up_to=_up_to(chance))


def _sums(values: NDArray[Any], names: Sequence[str]) -> NDArray[np.float64]:
    """For each value (R,) the sum of those with the same name."""
    _, number = np.unique(np.asarray(names), return_inverse=True)
    sums = np.bincount(number, weights=values)[number]
    return sums.astype(np.float64)


def _up_to(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative chances (R,) from weights above 0."""
    total = np.cumsum(weight)
    chances: NDArray[np.float64] = total / total[-1]
    return chances


def _log_uniform(
    rng: np.random.Generator, limits: tuple[float, float], shape: tuple[int, int]
) -> NDArray[np.float32]:
    low, high = np.log(limits)
    return np.exp(rng.uniform(low, high, shape)).astype(np.float32)
