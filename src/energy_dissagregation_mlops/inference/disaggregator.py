"""THE path from mains to appliances: any length, any gaps, block by block, in watts.

Answers do not depend on how the series is cut into blocks, nor on where it begins. Parts never exceed
the mains, what is left is ``other``, and where the mains is missing the answer is missing.

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
from energy_dissagregation_mlops.inference.runtimes import Answer, OnnxRuntime, Runtime
from energy_dissagregation_mlops.signals import ResampleConfig, Resampler
from energy_dissagregation_mlops.vocabulary import Disaggregation, FloatArray
from energy_dissagregation_mlops.windows import Framing

ON_PROBABILITY = 0.5  # at or above it an appliance is on
SAMPLES_PER_RUN = 1 << 14  # so many samples go through the graph at once: they stay in the cache
BLOCK = 1 << 18  # samples of a long series that are worked on at a time: cores wait for each other at its end


class Disaggregator:
    """Takes mains apart with one bundle."""

    def __init__(self, card: Card, runtime: Runtime, *, pool: Executor | None = None) -> None:
        """A disaggregator that asks this runtime; the runs of a long series share the pool, where there is one."""
        self.card = card
        self._pool = pool
        self._runtime = runtime
        self._framing = Framing(window_length=card.window_length, margin=card.margin)
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
        """What brings readings onto the bundle's grid, as its training data was."""
        config = ResampleConfig(
            sample_period=self.card.sample_period,
            max_gap=self.card.max_gap if max_gap is None else max_gap,
            max_power=max_power,
        )
        return Resampler(config)

    def disaggregate(self, mains: FloatArray, *, start: float) -> Disaggregation:
        """Take a whole series apart.

        Args:
            mains: (T,) W on the bundle's grid, NaN where missing.
            start: s since 1970, a whole multiple of the bundle's period: start of the first sample.
        """
        names = self.card.appliance_names
        if not len(mains):
            return self._parts(mains, _no_answer(len(names)), start)
        if len(mains) <= BLOCK:  # as the stream would, without its joints
            first = round(start / self.card.sample_period)
            return self._answer(mains, first, first, first + len(mains))
        blocks = (mains[begin : begin + BLOCK] for begin in range(0, len(mains), BLOCK))
        parts = list(self.stream(blocks, start=start))
        return Disaggregation(
            start=start,
            sample_period=self.card.sample_period,
            appliances=names,
            mains=np.concatenate([part.mains for part in parts]),
            power=np.concatenate([part.power for part in parts], axis=1),
            on=np.concatenate([part.on for part in parts], axis=1),
            other=np.concatenate([part.other for part in parts]),
            on_probability=np.concatenate([part.on_probability for part in parts], axis=1),
        )

    def stream(self, blocks: Iterable[FloatArray], *, start: float) -> Iterator[Disaggregation]:
        """Take a series apart block by block, in memory that does not grow with it.

        Args:
            blocks: consecutive pieces (T,) W of the mains on the bundle's grid, of any lengths.
            start: s since 1970, start of the first sample of the first block.

        Yields:
            Consecutive pieces of the answer; each comes as soon as the samples after it that it
            depends on have come.
        """
        core, margin = self._framing.core, self._framing.margin
        held_from = done = round(start / self.card.sample_period)  # numbers of samples since 1970
        held = np.empty(0, np.float32)
        for block in _and_the_end(blocks):
            if block is not None:
                held = np.concatenate([held, block])
            end = held_from + len(held)
            stop = end if block is None else (end - margin) // core * core
            if stop > done:
                yield self._answer(held, held_from, done, stop)
                done = stop
                keep = max(held_from, done - margin)
                held, held_from = held[keep - held_from :], keep

    def _answer(self, held: FloatArray, held_from: int, begin: int, stop: int) -> Disaggregation:
        """Take the samples numbered [begin, stop) apart, with what is held around them as context."""
        framing = self._framing
        first = begin // framing.core - held_from // framing.core
        windows = framing.cut(held, first=held_from)[
            first : first + framing.num_windows(stop - begin, first=begin)
        ]
        per_run = max(1, SAMPLES_PER_RUN // framing.window_length)
        runs = [windows[i : i + per_run] for i in range(0, len(windows), per_run)]
        compute = map if self._pool is None or len(runs) == 1 else self._pool.map
        answers = list(compute(self._runtime, runs))
        power, on_probability = (
            framing.join(
                cores[0] if len(cores) == 1 else np.concatenate(cores), first=begin, length=stop - begin
            )
            for cores in zip(*answers, strict=True)
        )
        answer = Answer(power, on_probability)
        return self._parts(
            held[begin - held_from : stop - held_from], answer, begin * self.card.sample_period
        )

    def _parts(self, mains: FloatArray, answer: Answer, start: float) -> Disaggregation:
        """Make parts of the mains out of a network's answer (A, T): on-states, limits, and the rest."""
        missing = np.isnan(mains)
        gaps = missing.any()
        on = answer.on_probability >= ON_PROBABILITY
        if gaps:
            on &= ~missing
        power = np.zeros_like(answer.power)
        np.clip(answer.power, 0, self._max_power, out=power, where=on)
        total = power.sum(axis=0)
        limit = np.maximum(mains, 0)
        share = np.ones_like(total)
        np.divide(limit, total, out=share, where=total > limit)
        power *= share
        other = np.maximum(limit - power.sum(axis=0), np.float32(0))
        if gaps:
            power[:, missing] = np.nan
        return Disaggregation(
            start=start, sample_period=self.card.sample_period, appliances=self.card.appliance_names,
            mains=mains, power=power, on=on, other=other, on_probability=answer.on_probability,
        )  # fmt: skip


def _and_the_end(blocks: Iterable[FloatArray]) -> Iterator[FloatArray | None]:
    yield from blocks
    yield None


def _no_answer(num_appliances: int) -> Answer:
    nothing = np.empty((num_appliances, 0), np.float32)
    return Answer(nothing, nothing)
