"""Heat that no such appliance draws for so long: taken from it, and given to the rest.

A car that is charged at 2.3 kW, or a storage heater, looks like a dishwasher that heats, and goes on for hours. In 900 days no dishwasher
of two homes drew more than a kilowatt for longer than 21 minutes on end (docs/log.md).

Shapes: T samples, A appliances, R rows that are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from energy_dissagregation_mlops.bundle import Card
from energy_dissagregation_mlops.vocabulary import Disaggregation

HEAT = 1000.0  # W
LONGEST = 2700.0  # s on end, more than twice that; a washing machine may dry for longer
APPLIANCES = ("kettle", "microwave", "dishwasher")


@dataclass(frozen=True, slots=True)
class EndlessHeat:
    """Finds it, for the appliances of a card."""

    rows: tuple[int, ...]  # R
    longest: int  # samples

    @classmethod
    def of(cls, card: Card) -> Self:
        """For a card's appliances, on its grid."""
        rows = [row for row, name in enumerate(card.appliance_names) if name in APPLIANCES]
        return cls(tuple(rows), math.ceil(LONGEST / card.sample_period))

    def without(self, found: Disaggregation) -> Disaggregation:
        """A whole answer without it, in place."""
        self._silence(found, going_on=set(), new=0)
        return found

    def without_in(self, parts: Iterable[Disaggregation]) -> Iterator[Disaggregation]:
        """The same of consecutive parts: what may yet become too long is held back, ``longest`` samples at most."""
        held: Disaggregation | None = None
        going_on: set[int] = set()  # rows whose heat was too long when the last part ended
        for part in parts:
            if not len(part.mains):
                continue  # it would part what goes on
            new = 0 if held is None else len(held.mains)
            whole = part if held is None else _joined(held, part)
            going_on, settled = self._silence(whole, going_on=going_on, new=new)
            held = _cut(whole, settled, len(whole.mains))
            if settled:
                yield _cut(whole, 0, settled)
        if held is not None and len(held.mains):
            yield held

    def _silence(self, found: Disaggregation, *, going_on: set[int], new: int) -> tuple[set[int], int]:
        """Take it out, and say in which rows it reaches the end, and up to where nothing that follows can change.

        Args:
            found: its samples from ``new`` on were not looked at before.
            going_on: rows in which it reached up to ``new``.
            new: a number of a sample.
        """
        length = len(found.mains)
        goes_on, settled = set(), length
        for row in self.rows:
            heats = np.zeros(length + 2, np.bool_)
            np.greater(found.power[row], HEAT, out=heats[1:-1])
            borders = np.flatnonzero(heats[1:] != heats[:-1]).tolist()
            for begin, end in zip(borders[::2], borders[1::2], strict=True):
                if end - begin > self.longest or (row in going_on and begin == new):
                    _give_to_rest(found, row, slice(begin, end))
                    if end == length:
                        goes_on.add(row)
                elif end == length:
                    settled = min(settled, begin)
        return goes_on, settled


def _give_to_rest(found: Disaggregation, row: int, span: slice) -> None:
    found.other[span] += found.power[row, span]
    found.power[row, span] = 0
    found.on[row, span] = False
    if found.on_probability is not None:
        found.on_probability[row, span] = 0


def _joined(first: Disaggregation, second: Disaggregation) -> Disaggregation:
    assert first.on_probability is not None and second.on_probability is not None
    return replace(
        first,
        mains=np.concatenate([first.mains, second.mains]), other=np.concatenate([first.other, second.other]),
        power=np.hstack([first.power, second.power]), on=np.hstack([first.on, second.on]),
        on_probability=np.hstack([first.on_probability, second.on_probability]),
    )  # fmt: skip


def _cut(whole: Disaggregation, begin: int, end: int) -> Disaggregation:
    assert whole.on_probability is not None
    return replace(
        whole,
        start=whole.start + begin * whole.sample_period, mains=whole.mains[begin:end], other=whole.other[begin:end],
        power=whole.power[:, begin:end], on=whole.on[:, begin:end], on_probability=whole.on_probability[:, begin:end],
    )  # fmt: skip
