"""How far the truth may lie from what is said: tables that a bundle's card carries, and their use.

An interval holds the truth ``level`` of the times in homes like those that the tables were fitted on
(``calibration`` fits them, and says what is assumed). It always holds the answer itself, never goes below
0 nor, for power, above the mains. It knows nothing of networks, files or homes.

Shapes: T samples, A appliances, D spans of time, P bins of on-probability, L levels of power, R rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from energy_dissagregation_mlops.vocabulary import FloatArray

Values = NDArray[np.float64]
AtLeastZero = Annotated[FiniteFloat, Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PowerTable(_Record):
    """Of samples alike in on-probability and in the power that is said: quantiles of the truth.

    Where the appliance is said to be off they are in W, where it is said to be on in times what is said.
    """

    probability_edges: tuple[FiniteFloat, ...]  # P - 1, ascending; a bin begins at its edge
    level_edges: tuple[FiniteFloat, ...]  # W, L - 1, ascending
    low: tuple[tuple[AtLeastZero, ...], ...]  # (P, L)
    high: tuple[tuple[AtLeastZero, ...], ...]  # (P, L)
    coverage: FiniteFloat | None  # of samples on or said to be on, in homes left out of the fit

    @model_validator(mode="after")
    def _fits(self) -> Self:
        shape = (len(self.probability_edges) + 1, len(self.level_edges) + 1)
        if not _rises(self.probability_edges) or not _rises(self.level_edges):
            raise ValueError("expected edges that ascend")
        if any(
            len(rows) != shape[0] or {len(row) for row in rows} != {shape[1]}
            for rows in (self.low, self.high)
        ):
            raise ValueError(f"expected tables of {shape[0]} by {shape[1]}")
        if np.any(np.array(self.low) > np.array(self.high)):
            raise ValueError("expected every low at or below its high")
        return self


class EnergyRow(_Record):
    """Of spans of so many hours: quantiles of (truth - said) / (constant + slope * said).

    Of a longer span, for which there is no row of its own, ``constant`` and ``unused_high`` grow with its length: a
    home's errors may go one way day after day.
    """

    hours: Annotated[FiniteFloat, Field(gt=0)]
    constant: Annotated[FiniteFloat, Field(gt=0)]  # kWh
    slope: AtLeastZero
    low: Annotated[FiniteFloat, Field(le=0)]
    high: AtLeastZero
    unused_high: AtLeastZero  # kWh, where nothing is said to be used
    coverage: FiniteFloat | None  # of spans with use or said use, in homes left out of the fit


class ApplianceIntervals(_Record):
    """One appliance's tables."""

    power: PowerTable
    energy: Annotated[tuple[EnergyRow, ...], Field(min_length=1)]  # hours ascending

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if not _rises([row.hours for row in self.energy]):
            raise ValueError("expected rows of ascending hours")
        return self


def _rises(values: tuple[float, ...] | list[float]) -> bool:
    return bool(np.all(np.diff(values) > 0))


class Interval(NamedTuple):
    """Where the truth lies."""

    low: NDArray[np.floating]
    high: NDArray[np.floating]


def power_interval(
    table: PowerTable, power: FloatArray, on_probability: FloatArray, mains: FloatArray, *, max_power: float
) -> Interval:
    """Where an appliance's power lies, sample by sample.

    Args:
        table: of the appliance.
        power: (T,) W as said, NaN where missing.
        on_probability: (T,).
        mains: (T,) W.
        max_power: W, above which the appliance draws nothing.

    Returns:
        (T,) W each, NaN where missing.
    """
    cell = cells_of(
        power, on_probability, probability_edges=table.probability_edges, level_edges=table.level_edges
    )
    unit = np.where(power > 0, power, np.float32(1))
    low = np.array(table.low, np.float32).ravel()[cell] * unit
    high = np.array(table.high, np.float32).ravel()[cell] * unit
    highest = np.minimum(mains, np.float32(max_power))
    return Interval(np.minimum(low, power), np.maximum(np.minimum(high, highest), power))


def cells_of(
    power: FloatArray, on_probability: FloatArray, *,
    probability_edges: Sequence[float], level_edges: Sequence[float],
) -> NDArray[np.int64]:  # fmt: skip
    """(T,) which cell of a table (P, L), row by row, a sample belongs to."""
    row = np.searchsorted(np.array(probability_edges, np.float32), on_probability, side="right")
    level = np.searchsorted(np.array(level_edges, np.float32), np.nan_to_num(power), side="right")
    cell: NDArray[np.int64] = row * (len(level_edges) + 1) + level
    return cell


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyTables:
    """Every appliance's rows as arrays; an appliance without tables has NaN."""

    between: Values  # (R - 1,) h from which on the next row holds, whose hours are nearer in ratio
    rows: Values  # (6, A, R): hours, constant, slope, low, high, unused_high
    max_power: Values  # (A,) W

    @classmethod
    def of(cls, tables: list[ApplianceIntervals | None], *, max_power: list[float]) -> Self:
        """Lay them out; ``max_power`` in W."""
        hours = sorted({row.hours for each in tables if each for row in each.energy}) or [1.0]
        rows = np.full((6, len(tables), len(hours)), np.nan)
        for number, each in enumerate(tables):
            if each is not None:
                own = np.log([row.hours for row in each.energy])
                for column, span in enumerate(np.log(hours)):
                    row = each.energy[int(np.argmin(np.abs(own - span)))]
                    rows[:, number, column] = (
                        row.hours, row.constant, row.slope, row.low, row.high, row.unused_high,
                    )  # fmt: skip
        return cls(
            between=np.sqrt(np.array(hours[:-1]) * np.array(hours[1:])),
            rows=rows,
            max_power=np.array(max_power),
        )

    def interval(self, said: Values, *, hours: Values, mains: Values) -> Interval:
        """Where the energy of spans lies.

        Args:
            said: (A, D) kWh.
            hours: (D,) h of each span that are measured.
            mains: (D,) kWh of the mains.

        Returns:
            (A, D) kWh each, NaN for an appliance without tables.
        """
        row = np.searchsorted(self.between, hours, side="right")
        own, constant, slope, low, high, unused_high = self.rows[:, :, row]
        length = np.maximum(hours / own, 1.0)
        scale = constant * length + slope * said
        most = np.minimum(mains, self.max_power[:, None] * hours / 1000)
        highest = np.minimum(np.where(said > 0, said + high * scale, unused_high * length), most)
        # Said energies are rounded sums: one that equals the mains may exceed it by a hair.
        return Interval(np.maximum(said + low * scale, 0.0) * (said > 0), np.maximum(highest, said))
