"""Heating, cooling and charging: found in the mains by their shape, and set apart before a network looks.

None of the appliances here draws the same kilowatt or more for two hours on end, nor the same again and again with
short pauses. A car that charges does, and a storage heater, a heat pump, an air conditioner, a radiator on its
thermostat. A network takes their heat for a dishwasher's, and overlooks what runs beside them (docs/log.md).

A pulse is a rise of the mains, and a fall by about as much. What draws less and more as it runs is not found.

Shapes: T samples of a home's mains, P pulses in order of their begin.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.vocabulary import Disaggregation, FloatArray

HEAT = 1000.0  # W
LONG = 7200.0  # s: a pulse as long is set apart by itself, and so long may a cycle's pause be
LONGEST = 43_200.0  # s of a pulse that is looked for
SHORTEST = 240.0  # s of a cycle's pulse; most kettles boil sooner
BRIEF = 90.0  # s of one that counts beside a row of others
TIMES = 7  # so many in a row are none of the appliances'
PAUSE = 4.0  # times as long as the pulse before it, a pause in a row; a kettle's are longer
ALIKE = 0.1  # of the power, by which the next in a row may differ
MOST_FALLS = 50  # after a rise, of which one may be its own: bounds the work in a home that never rests
STEADY = 0.85  # of a pulse's rise, below which the mains does not come before its fall, and which the fall has at least
_AT_ONCE = 4096  # rises
REACH = TIMES * 2 * LONG + SHORTEST  # s to either side, by which a sample's answer is settled


class _Pulse(NamedTuple):
    begin: int  # the sample in which it rises
    end: int  # and in which it falls
    power: float  # W

    def is_like(self, other: _Pulse) -> bool:
        return abs(self.power - other.power) <= ALIKE * self.power


@dataclass(frozen=True, slots=True)
class Heating:
    """Finds it in mains on a grid."""

    sample_period: float  # s

    def of(self, mains: FloatArray) -> FloatArray:
        """How much of a home's mains is such a load's.

        Args:
            mains: (T,) W, NaN where missing.

        Returns:
            (T,) W, at most the mains, 0 where there is none.
        """
        power = np.zeros_like(mains)
        edges = _Edges.of(mains)
        steady = self._steady(edges, SHORTEST)
        found = [pulse for pulse in steady if self._lasts(pulse, LONG)]
        rows = self._rows([pulse for pulse in steady if not self._lasts(pulse, LONG)])
        if rows:
            brief = [pulse for pulse in self._steady(edges, BRIEF) if not self._lasts(pulse, SHORTEST)]
            found += sorted({pulse for row in rows for pulse in (*row, *self._beside(row, brief))})
        for begin, end, height in found:
            power[begin] += min(max(mains[begin] - mains[begin - 1], 0), height)
            power[begin + 1 : end] += height
            power[end] += min(max(mains[end] - mains[end + 1], 0), height)
        if found:
            np.fmin(power, np.maximum(np.nan_to_num(mains), 0), out=power)
        return power

    def along(self, blocks: Iterable[FloatArray]) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Consecutive pieces (T,) of the mains as (mains, such loads): as ``of`` says of the whole, ``REACH`` later."""
        reach = math.ceil(REACH / self.sample_period)
        held = np.empty(0, np.float32)
        done = 0  # of what is held, so many samples were given
        for block in blocks:
            held = np.concatenate([held, block])
            settled = len(held) - reach
            if settled > done:
                yield held[done:settled], self.of(held)[done:settled]
                begin = max(0, settled - reach)
                held, done = held[begin:], settled - begin
        if len(held) > done:
            yield held[done:], self.of(held)[done:]

    def _lasts(self, pulse: _Pulse, seconds: float) -> bool:
        return (pulse.end - pulse.begin) * self.sample_period >= seconds

    def _steady(self, edges: _Edges, least: float) -> list[_Pulse]:
        """The pulses that last at least so many seconds, each up to the first fall that fits its rise."""
        shortest = max(1, math.ceil(least / self.sample_period))
        begins = edges.rises_that_last(shortest)
        ends = edges.falls_of(begins, longest=int(LONGEST / self.sample_period))
        lasting = ends - begins >= shortest
        return [
            _Pulse(begin, end, rise)
            for begin, end, rise in zip(
                begins[lasting].tolist(),
                ends[lasting].tolist(),
                edges.step[begins[lasting]].tolist(),
                strict=True,
            )
            if edges.mains[begin + 1 : end].min(initial=np.inf) >= STEADY * rise  # and none is missing
        ]

    def _rows(self, pulses: list[_Pulse]) -> list[list[_Pulse]]:
        """Of pulses in order, those that come again often enough, row by row."""
        rows: list[list[_Pulse]] = []
        open_rows: list[list[_Pulse]] = []  # those that may go on
        for pulse in pulses:
            open_rows = [
                row for row in open_rows if pulse.begin - row[-1].end <= self._longest_pause(row[-1])
            ]
            row = next((row for row in open_rows if self._follows(pulse, row[-1])), None)
            if row is None:
                row = []
                rows.append(row)
                open_rows.append(row)
            row.append(pulse)
        return [row for row in rows if len(row) >= TIMES]

    def _beside(self, row: list[_Pulse], brief: list[_Pulse]) -> list[_Pulse]:
        """Of the brief pulses those like it in a row's pauses, and after it: it is switched off in the midst of one."""
        begins = [pulse.begin for pulse in brief]
        stops = [*(following.begin for following in row[1:]), row[-1].end + self._longest_pause(row[-1])]
        return [
            pulse
            for last, stop in zip(row, stops, strict=True)
            for pulse in brief[bisect_left(begins, last.end) : bisect_left(begins, stop)]
            if pulse.end <= stop and last.is_like(pulse)
        ]

    def _follows(self, pulse: _Pulse, last: _Pulse) -> bool:
        return 0 <= pulse.begin - last.end <= self._longest_pause(last) and last.is_like(pulse)

    def _longest_pause(self, pulse: _Pulse) -> float:
        """How many samples may lie between this one in a row and the next."""
        return min(PAUSE * (pulse.end - pulse.begin), LONG / self.sample_period)


@dataclass(slots=True)
class SetAside:
    """A stream's mains and such loads, until what is left of it was answered."""

    _mains: FloatArray = field(default_factory=lambda: np.empty(0, np.float32))
    _heating: FloatArray = field(default_factory=lambda: np.empty(0, np.float32))

    def rest(self, pieces: Iterable[tuple[FloatArray, FloatArray]]) -> Iterator[FloatArray]:
        """Of consecutive pieces of the mains, and such loads in them, what is left."""
        for mains, heating in pieces:
            self._mains = np.concatenate([self._mains, mains])
            self._heating = np.concatenate([self._heating, heating])
            yield mains - heating

    def given_back(self, found: Disaggregation) -> Disaggregation:
        """The next answer for what is left, as one for the mains."""
        length = len(found.mains)
        mains, self._mains = np.split(self._mains, [length])
        heating, self._heating = np.split(self._heating, [length])
        return given_back(found, mains, heating)


def given_back(found: Disaggregation, mains: FloatArray, heating: FloatArray) -> Disaggregation:
    """An answer for what is left of a mains (T,) W as one for the mains: such loads (T,) W are part of the rest."""
    if not heating.any():
        return found
    return replace(found, mains=mains, other=found.other + heating, heating=heating)


@dataclass(frozen=True, slots=True)
class _Edges:
    mains: FloatArray  # (T,) W
    step: FloatArray  # (T,) W from the sample before to the one after: an edge within a sample is seen whole
    rises: NDArray[np.intp]  # where a step of at least ``HEAT`` is the largest around, in order
    falls: NDArray[np.intp]

    @classmethod
    def of(cls, mains: FloatArray) -> _Edges:
        step = np.zeros_like(mains)
        if len(mains) > 2:
            np.subtract(mains[2:], mains[:-2], out=step[1:-1])
        steep = np.flatnonzero(np.abs(step) >= HEAT)
        up, before, after = np.sign(step[steep]), step[steep - 1], step[steep + 1]
        # Written so that a neighbour that is missing is no larger.
        largest = ~(up * before > up * step[steep]) & ~(up * after >= up * step[steep])
        return cls(mains, step, steep[largest & (up > 0)], steep[largest & (up < 0)])

    def rises_that_last(self, num_samples: int) -> NDArray[np.intp]:
        """Those after which the mains stays up for so many samples."""
        rises = self.rises[self.rises + num_samples < len(self.mains)]
        before, rise = self.mains[rises - 1], self.step[rises]
        least = np.maximum(before + rise / 2, STEADY * rise)
        after = self.mains[rises[:, None] + np.arange(1, num_samples)]
        lasting: NDArray[np.intp] = rises[(after >= least[:, None]).all(axis=1)]
        return lasting

    def falls_of(self, begins: NDArray[np.intp], *, longest: int) -> NDArray[np.intp]:
        """For each rise the first fall within so many samples that brings the mains back down by as much; -1: there is none."""
        falls = np.append(self.falls, np.zeros(MOST_FALLS, np.intp))  # before any rise
        parts = [
            self._falls_of(part[:, None], falls, longest)
            for part in np.split(begins, range(_AT_ONCE, len(begins), _AT_ONCE))
        ]
        return np.concatenate(parts)

    def _falls_of(self, begins: NDArray[np.intp], falls: NDArray[np.intp], longest: int) -> NDArray[np.intp]:
        before, rise = self.mains[begins - 1], self.step[begins]
        ends = falls[np.searchsorted(self.falls, begins + 1) + np.arange(MOST_FALLS)]
        fits = np.abs(self.step[ends] + rise) <= (1 - STEADY) * rise
        fits &= self.mains[ends + 1] < before + rise / 2
        fits &= (ends > begins) & (ends - begins <= longest)
        first = fits.argmax(axis=1)[:, None]
        found: NDArray[np.intp] = np.where(
            np.take_along_axis(fits, first, 1), np.take_along_axis(ends, first, 1), -1
        )
        return found[:, 0]
