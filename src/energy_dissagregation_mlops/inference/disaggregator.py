"""THE path from mains to appliances: any length, any gaps, block by block, in watts.

Answers do not depend on how the series is cut into blocks, nor, a day from its ends, on where it begins. Parts
never exceed the mains, what is left is ``other``, and where the mains is missing the answer is missing. What heats,
cools or charges is set apart before a network looks.

Shapes: T series length, N windows, L window_length, A appliances, K core.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import numpy as np

from energy_dissagregation_mlops.bundle import Bundle, Card
from energy_dissagregation_mlops.cores import available_cores
from energy_dissagregation_mlops.inference.calibrated import Calibrated
from energy_dissagregation_mlops.inference.endless import EndlessHeat
from energy_dissagregation_mlops.inference.heating import Heating, SetAside, given_back
from energy_dissagregation_mlops.inference.runtimes import Answer, OnnxRuntime, Runtime
from energy_dissagregation_mlops.signals import FROZEN_ABOVE, FROZEN_DURATION, ResampleConfig, Resampler
from energy_dissagregation_mlops.vocabulary import Disaggregation, FloatArray
from energy_dissagregation_mlops.windows import Framing

ON_PROBABILITY = 0.5  # at or above it an appliance is on
SAMPLES_PER_RUN = 1 << 14  # so many samples go through the graph at once: they stay in the cache
BLOCK = 1 << 18  # samples of a stream that are best given at a time: cores wait for each other at its end


class Disaggregator:
    """Takes mains apart with one bundle."""

    def __init__(self, card: Card, runtime: Runtime, *, pool: Executor | None = None) -> None:
        """A disaggregator that asks this runtime; the runs of a long series share the pool, where there is one."""
        self.card = card
        self._pool = pool
        self._runtime = runtime
        self.framing = Framing(
            window_length=card.window_length, margin=card.margin, alignment=card.alignment,
            longest=max(SAMPLES_PER_RUN, card.window_length) if card.any_length else None,
        )  # fmt: skip
        self._heating = Heating(card.sample_period)
        self._endless = EndlessHeat.of(card)
        self.calibrated = Calibrated.of(card)  # None for a bundle without calibration
        self._max_power = np.array([each.max_power for each in card.appliances], np.float32)[:, None]

    @classmethod
    def load(cls, bundle: Bundle, *, threads: int | None = None) -> Self:
        """Load a bundle's graph.

        Args:
            bundle: an opened bundle.
            threads: how many runs of a long series are computed at a time; None means as many as there are cores.

        Raises:
            BundleError: ONNX Runtime can't run it.
        """
        return cls.on_cores(bundle.card, bundle.graph, threads=threads or available_cores())

    @classmethod
    def on_cores(cls, card: Card, graph: Path, *, threads: int) -> Self:
        """One whose runs have a thread each: two side by side are faster than one on two threads (docs/log.md)."""
        pool = ThreadPoolExecutor(threads, thread_name_prefix="graph") if threads > 1 else None
        return cls(card, OnnxRuntime(graph, threads=1), pool=pool)

    def resampler(self, *, max_power: float = float("inf"), max_gap: float | None = None) -> Resampler:
        """What brings readings onto the bundle's grid, as its training data was; of what is learned from, a meter counts as
        frozen sooner (``preprocessing``): hours at rest that are lost there cost nobody an answer.
        """
        config = ResampleConfig(
            sample_period=self.card.sample_period,
            max_gap=self.card.max_gap if max_gap is None else max_gap,
            max_power=max_power,
            frozen_duration=FROZEN_DURATION,
            frozen_above=FROZEN_ABOVE,
        )
        return Resampler(config)

    def disaggregate(self, mains: FloatArray, *, start: float) -> Disaggregation:
        """Take a whole series apart.

        Args:
            mains: (T,) W on the bundle's grid, NaN where missing.
            start: s since 1970, a whole multiple of the bundle's period: start of the first sample.
        """
        first = round(start / self.card.sample_period)
        heating = self._heating.of(mains)
        rest = mains - heating if heating.any() else mains
        answer = self._unanswered(rest, first)
        self._answer(answer, rest, first, first)
        return given_back(self._endless.without(answer), mains, heating)

    def stream(self, blocks: Iterable[FloatArray], *, start: float) -> Iterator[Disaggregation]:
        """Take a series apart block by block, in memory that does not grow with it.

        Args:
            blocks: consecutive pieces (T,) W of the mains on the bundle's grid, of any lengths.
            start: s since 1970, start of the first sample of the first block.

        Yields:
            Consecutive pieces of the answer; each comes as soon as the samples after it that it
            depends on have come: some 28 hours of them.
        """
        aside = SetAside()
        rest = aside.rest(self._heating.along(blocks))
        return map(aside.given_back, self._endless.without_in(self._streamed(rest, start)))

    def _streamed(self, blocks: Iterable[FloatArray], start: float) -> Iterator[Disaggregation]:
        core, margin = self.framing.core, self.framing.margin
        held_from = done = round(start / self.card.sample_period)
        held = np.empty(0, np.float32)
        for block in _and_the_end(blocks):
            if block is not None:
                held = np.concatenate([held, block])
            end = held_from + len(held)
            first_core = done - self.framing.lead(done)
            stop = end if block is None else end - margin - (end - margin - first_core) % core
            if stop > done:
                answer = self._unanswered(held[done - held_from : stop - held_from], done)
                self._answer(answer, held, held_from, done)
                yield answer
                done = stop
                keep = max(held_from, done - margin)
                held, held_from = held[keep - held_from :], keep

    def _answer(self, whole: Disaggregation, held: FloatArray, held_from: int, begin: int) -> None:
        """Take the mains of an answer apart, whose first sample is numbered so, with what is held around it as context."""
        length = len(whole.mains)
        if not length:
            return
        framing = self.framing.fitted(length, first=begin)
        windows = framing.cut(held, first=held_from, begin=begin, length=length)
        per_run = max(1, SAMPLES_PER_RUN // framing.window_length)
        lead = framing.lead(begin)

        def run(number: int) -> None:
            answer = self._runtime(windows[number : number + per_run])
            at = max(number * framing.core - lead, 0)
            end = min((number + per_run) * framing.core - lead, length)
            joined = (framing.join(cores, first=begin + at, length=end - at) for cores in answer)
            self._write(Answer(*joined), whole, at)

        numbers = range(0, len(windows), per_run)
        compute = map if self._pool is None or len(numbers) == 1 else self._pool.map
        for _ in compute(run, numbers):
            pass

    def _unanswered(self, mains: FloatArray, first: int) -> Disaggregation:
        """The place for an answer to this mains (T,) from this number of a sample on."""
        shape = (len(self.card.appliances), len(mains))
        return Disaggregation(
            start=first * self.card.sample_period, sample_period=self.card.sample_period,
            appliances=self.card.appliance_names, mains=mains, power=np.zeros(shape, np.float32),
            on=np.empty(shape, np.bool_), other=np.empty(len(mains), np.float32),
            on_probability=np.empty(shape, np.float32),
        )  # fmt: skip

    def _write(self, answer: Answer, whole: Disaggregation, at: int) -> None:
        """Make parts of the mains, from this sample on, out of a network's answer (A, T): on-states, limits, the rest."""
        place = slice(at, at + answer.power.shape[1])
        mains, power, on = whole.mains[place], whole.power[:, place], whole.on[:, place]
        assert whole.on_probability is not None
        whole.on_probability[:, place] = answer.on_probability
        missing = np.isnan(mains)
        gaps = missing.any()
        np.greater_equal(answer.on_probability, ON_PROBABILITY, out=on)
        if gaps:
            on &= ~missing
        np.clip(answer.power, 0, self._max_power, out=power, where=on)
        total = power.sum(axis=0)
        limit = np.maximum(mains, 0)
        share = np.ones_like(total)
        np.divide(limit, total, out=share, where=total > limit)
        power *= share
        np.maximum(limit - power.sum(axis=0), np.float32(0), out=whole.other[place])
        if gaps:
            power[:, missing] = np.nan


def _and_the_end(blocks: Iterable[FloatArray]) -> Iterator[FloatArray | None]:
    yield from blocks
    yield None
