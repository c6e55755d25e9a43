"""Windows of a series and their joining; the same code in training, evaluation and serving.

A window answers for its core, the middle without a margin at either end. What is answered for a minute does not
depend on where somebody's file begins: where a network sees no further than its margin, the first core begins with
the file, but for the few samples by which the network takes its steps; else cores lie at whole multiples of their
length on the grid since 1970. A network that takes windows of any length gets them as long as the series needs.

Shapes: T series length, N windows, L window_length, K core.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.vocabulary import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How a series is cut into windows."""

    window_length: int  # L samples
    margin: int  # samples at either end that are context only
    alignment: int | None = None  # cores may begin at any multiple of it; None: of their length alone
    longest: int | None = None  # samples of a window that may be of any aligned length; None: all have L

    def __post_init__(self) -> None:
        assert self.margin >= 0
        assert self.core >= 1
        assert self.longest is None or (self.alignment and self.longest >= self.window_length)

    @property
    def core(self) -> int:
        """K, the samples that a window answers for."""
        return self.window_length - 2 * self.margin

    def fitted(self, length: int, *, first: int) -> Framing:
        """With windows for ``length`` samples, at least 1, from number ``first``: as few as may be, and no longer than they must."""
        if self.longest is None or self.alignment is None:
            return self
        whole = self.lead(first) + length
        num = -(-whole // (self.longest - 2 * self.margin))
        core = -(-whole // (num * self.alignment)) * self.alignment
        return replace(self, window_length=core + 2 * self.margin)

    def lead(self, first: int) -> int:
        """How many samples of the first core lie before the sample with number ``first``."""
        return first % (self.alignment or self.core)

    def cut(
        self, series: FloatArray, *, first: int, begin: int | None = None, length: int | None = None
    ) -> FloatArray:
        """Windows whose cores cover a part of the series; beyond the series' ends all is missing.

        Args:
            series: (T,) W.
            first: number of its first sample since 1970.
            begin: number of the part's first sample; None: the series'.
            length: samples of the part; None: all that follow.

        Returns:
            (N, L) W, a read-only view of one padded copy.
        """
        begin = first if begin is None else begin
        length = first + len(series) - begin if length is None else length
        lead = self.lead(begin)
        num = -(-(lead + length) // self.core)
        padded = np.full(num * self.core + 2 * self.margin, np.nan, np.float32)
        at = first - (begin - lead - self.margin)  # where the series begins in it, or before it
        within = series[max(0, -at) : len(padded) - at]
        padded[max(0, at) : max(0, at) + len(within)] = within
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
            first: number of the first sample that the first window answers for.
            length: T.

        Returns:
            (..., T).
        """
        lead = self.lead(first)
        moved = cores.transpose(*range(1, cores.ndim - 1), 0, cores.ndim - 1)
        joined = moved.reshape(*moved.shape[:-2], -1)
        return joined[..., lead : lead + length]
