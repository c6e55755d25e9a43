"""Which windows a step trains on, and what is changed in them: drawn from the seed and the step alone.

Nothing is carried from step to step, so a resumed run draws what an uninterrupted one would have, and
every process draws the whole batch and takes its own rows. It does not touch the power itself.

Shapes: N windows of the global batch, L window_length, A appliances, M stretches, R activations.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training.data import IndexArray, TrainingData
from energy_dissagregation_mlops.vocabulary import BoolArray


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
        self._starts_up_to = np.cumsum(data.end - data.begin - window_length + 1)
        self._activations = tuple(activations_in(data, number) for number in range(len(data.power)))

    def draw(self, step: int) -> Draw:
        """The global batch of a step."""
        rng = np.random.default_rng([self._config.seed, step])
        shape = (self._config.batch_size, len(self._activations))
        fate = rng.random(shape)
        known = np.array([len(one.middle) > 0 for one in self._activations])
        added = (fate < self._config.replace) & known
        source, stretch_of = self._sources(rng, shape)
        return Draw(
            begin=self._begins(rng),
            gone=added | (fate >= 1 - self._config.remove),
            added=added,
            source=source,
            source_begin=self._data.begin[stretch_of],
            source_end=self._data.end[stretch_of],
            place=rng.integers(0, self._window_length, shape),
            stretch=_log_uniform(rng, self._config.stretch, shape),
            scale=_log_uniform(rng, self._config.scale, shape),
        )

    def _begins(self, rng: np.random.Generator) -> IndexArray:
        """Windows anywhere, and windows with an activation somewhere in their core."""
        size = self._config.batch_size
        number = rng.integers(0, self._starts_up_to[-1], size)
        stretch_of = np.searchsorted(self._starts_up_to, number, side="right")
        begin = (
            self._data.end[stretch_of] - self._window_length - (self._starts_up_to[stretch_of] - 1 - number)
        )
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


def activations_in(data: TrainingData, number: int) -> Activations:
    """The activations of the appliance with this number: unbroken on-states."""
    on = data.on[number].cpu().numpy()
    edges = np.flatnonzero(np.diff(on.astype(np.int8), prepend=0, append=0))
    middle = edges.reshape(-1, 2).sum(axis=1) // 2
    stretch = np.searchsorted(data.end, middle, side="right")
    house = data.house[stretch]
    weight = 1 / np.bincount(house)[house] if len(house) else np.empty(0)
    total = np.cumsum(weight)
    return Activations(middle=middle, stretch=stretch, up_to=total / total[-1] if len(total) else total)


def _log_uniform(
    rng: np.random.Generator, limits: tuple[float, float], shape: tuple[int, int]
) -> NDArray[np.float32]:
    low, high = np.log(limits)
    return np.exp(rng.uniform(low, high, shape)).astype(np.float32)
