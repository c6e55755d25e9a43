"""Windows of a series and their joining; the same code in training, evaluation and serving.

A window answers for its core, the middle without a margin at either end. What is answered for a minute does not
depend on where somebody's file begins: where a network sees no further than its margin, the first core begins with
the file, but for the few samples by which the network takes its steps; else cores lie at whole multiples of their
length on the grid since 1970.

Shapes: T series length, N windows, L window_length, K core.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.vocabulary import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How a series is cut into windows."""

    window_length: int  # L samples
    margin: int  # samples at either end that are context only
    alignment: int | None = None  # cores may begin at any multiple of it; None: of their length alone

    def __post_init__(self) -> None:
        assert self.margin >= 0
        assert self.core >= 1

    @property
    def core(self) -> int:
        """K, the samples that a window answers for."""
        return self.window_length - 2 * self.margin

    def numbered(self, first: int) -> int:
        """What to number a series' first sample by, ``first`` since 1970, so that its first core begins as late as it may."""
        return first % (self.alignment or self.core)

    def lead(self, first: int) -> int:
        """How many samples of the first core lie before the sample with number ``first``."""
        return first % self.core

    def num_windows(self, length: int, *, first: int) -> int:
        """N, the windows that answer for ``length`` samples from number ``first``."""
        return -(-(self.lead(first) + length) // self.core)

    def cut(self, series: FloatArray, *, first: int) -> FloatArray:
        """Windows whose cores cover the series; beyond its ends all is missing.

        Args:
            series: (T,) W.
            first: number of its first sample since 1970, or as ``numbered``.

        Returns:
            (N, L) W, a read-only view of one padded copy.
        """
        lead = self.lead(first)
        num = self.num_windows(len(series), first=first)
        padded = np.full(num * self.core + 2 * self.margin, np.nan, np.float32)
        begin = self.margin + lead
        padded[begin : begin + len(series)] = series
        step = padded.itemsize
        windows = np.ndarray(  # numpy's sliding_window_view, without what it takes to be general
            (num, self.window_length), np.float32, padded, strides=(self.core * step, step)
        )
        windows.flags.writeable = False
        return windows

    def join(self, cores: NDArray[np.float32], *, first: int, length: int) -> FloatArray:
        """Put answers back into one series.

        Args:
            cores: (N, ..., K), one answer a window.
            first: number of the series' first sample, as it was cut.
            length: T.

        Returns:
            (..., T).
        """
        lead = self.lead(first)
        moved = cores.transpose(*range(1, cores.ndim - 1), 0, cores.ndim - 1)
        joined = moved.reshape(*moved.shape[:-2], -1)
        return joined[..., lead : lead + length]
