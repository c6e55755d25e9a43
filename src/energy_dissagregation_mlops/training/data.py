"""The homes that are trained on: as one record a stretch, and as tensors that stay on the device.

Stretches lie one after the other, each between missing samples, so that a window near an end sees
what it will see when served: nothing. It does not know which stretch is for training and which for
validation.

Shapes: T series length, A appliances, S samples of all stretches with the missing ones between, M stretches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.store import StoredHouse
from energy_dissagregation_mlops.vocabulary import SECONDS_PER_DAY, BoolArray, FloatArray

IndexArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSeries:
    """One house, or a stretch of one, on a regular grid."""

    name: str  # the house: "ukdale:1"; its stretches share it
    start: float  # s since 1970, UTC: the start of the first sample
    sample_period: float  # s
    mains: FloatArray  # (T,) W, NaN where missing
    power: FloatArray  # (A, T) W, NaN where missing
    on: BoolArray  # (A, T)
    metered: BoolArray  # (A,) whether the house has a meter for the appliance

    def __post_init__(self) -> None:
        assert self.mains.ndim == 1 and self.power.ndim == 2
        assert self.power.shape == self.on.shape == (len(self.metered), len(self.mains))

    @classmethod
    def of(cls, house: StoredHouse, appliances: Sequence[str]) -> TrainingSeries:
        """A stored house as it is trained on, with these appliances in this order."""
        manifest = house.manifest
        power, on = house.rows(appliances)
        return cls(
            name=manifest.reference, start=manifest.start, sample_period=manifest.sample_period,
            mains=np.asarray(house.mains), power=power, on=on,
            metered=np.array([name in manifest.appliances for name in appliances]),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.mains)

    @property
    def first(self) -> int:
        """The number of its first sample on the grid since 1970."""
        return round(self.start / self.sample_period)

    def between(self, begin: int, end: int) -> TrainingSeries:
        """The stretch of its samples [begin, end)."""
        return replace(
            self,
            start=self.start + begin * self.sample_period,
            mains=self.mains[begin:end],
            power=self.power[:, begin:end],
            on=self.on[:, begin:end],
        )

    def known_power(self) -> FloatArray:
        """(A, T) W, NaN also for an appliance without a meter."""
        return np.where(self.metered[:, None], self.power, np.float32(np.nan))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Stretches as tensors on one device, and where each lies in them."""

    mains: Tensor  # (S,) W, NaN where missing
    power: Tensor  # (A, S) W, NaN where missing and for an appliance without a meter
    on: Tensor  # (A, S) bool; off where the power is unknown
    begin: IndexArray  # (M,) where a stretch begins, its missing samples included
    end: IndexArray  # (M,) and ends
    house: IndexArray  # (M,) which house it is of
    dataset: tuple[str, ...]  # (M,) and of which data set
    metered: BoolArray  # (M, A) whether the house has a meter for the appliance
    rest: Tensor  # (S,) W, the mains without all that is metered; 0 where missing
    clock: IndexArray  # (M,) samples from midnight UTC to where a stretch begins
    samples_per_day: int

    @classmethod
    def of(
        cls, series: Sequence[TrainingSeries], *, window_length: int, margin: int, device: torch.device
    ) -> TrainingData:
        """Lay the stretches out on a device, each padded to a window at least.

        Raises:
            ConfigError: they are of different sample periods.
        """
        _check_periods(series)
        pad = max(margin, 1)
        day = round(SECONDS_PER_DAY / series[0].sample_period)
        widths = [max(len(one) + 2 * pad, window_length) for one in series]
        end = np.cumsum(widths, dtype=np.int64)
        begin = end - np.asarray(widths, dtype=np.int64)
        num_appliances = len(series[0].metered)
        mains = np.full(int(end[-1]), np.nan, np.float32)
        power = np.full((num_appliances, int(end[-1])), np.nan, np.float32)
        on = np.zeros(power.shape, np.bool_)
        for one, at in zip(series, begin, strict=True):
            place = slice(at + pad, at + pad + len(one))
            mains[place] = one.mains
            power[:, place] = one.known_power()
            on[:, place] = one.on & np.isfinite(power[:, place])
        names = sorted({one.name for one in series})
        # A plug and the mains meter disagree a little: nothing is below zero.
        rest = np.nan_to_num(np.clip(mains - np.nan_to_num(power).sum(axis=0), 0, None))
        return cls(
            mains=torch.from_numpy(mains).to(device),
            power=torch.from_numpy(power).to(device),
            on=torch.from_numpy(on).to(device),
            begin=begin,
            end=end,
            house=np.asarray([names.index(one.name) for one in series], dtype=np.int64),
            dataset=tuple(one.name.rpartition(":")[0] for one in series),
            metered=np.stack([one.metered for one in series]),
            rest=torch.from_numpy(rest).to(device),
            clock=(np.asarray([one.first for one in series], dtype=np.int64) - pad) % day,
            samples_per_day=day,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """What is typical in the training houses."""

    mains: float  # W, mean
    power: tuple[float, ...]  # (A,) W, mean while on
    usage: tuple[float, ...]  # (A,) mean power as a share of the power while on


def scales_of(series: Sequence[TrainingSeries], appliances: Sequence[str]) -> Scales:
    """The scales of the training houses.

    Raises:
        ConfigError: there are no mains, or an appliance is never on.
    """
    mains = np.concatenate([one.mains[np.isfinite(one.mains)] for one in series])
    if not mains.size or mains.mean() <= 0:
        raise ConfigError("the training houses hold no mains power above 0 W: choose others")
    power, usage = [], []
    for number, appliance in enumerate(appliances):
        known = np.concatenate([one.known_power()[number] for one in series])
        on = np.concatenate([one.on[number] for one in series]) & np.isfinite(known)
        while_on = float(known[on].mean(dtype=np.float64)) if on.any() else 0.0
        if while_on <= 0:
            names = ", ".join(sorted({one.name for one in series}))
            raise ConfigError(
                f"no activation of {appliance!r} in what is trained on ({names}): add a house that has it, "
                "or leave the appliance out"
            )
        power.append(while_on)
        usage.append(float(np.nanmean(known, dtype=np.float64)) / while_on)
    return Scales(mains=float(mains.mean(dtype=np.float64)), power=tuple(power), usage=tuple(usage))


def fingerprint_of(series: Sequence[TrainingSeries]) -> str:
    """A hash of everything in the series."""
    digest = hashlib.sha256()
    for one in series:
        digest.update(f"{one.name} {one.start!r} {one.sample_period!r} {one.power.shape}".encode())
        for values in (one.mains, one.power, one.on, one.metered):
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _check_periods(series: Sequence[TrainingSeries]) -> None:
    periods = sorted({one.sample_period for one in series})
    if len(periods) != 1:
        listed = ", ".join(f"{period:g} s" for period in periods)
        raise ConfigError(
            f"the training series have different sample periods ({listed}): preprocess them alike"
        )
