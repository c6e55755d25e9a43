"""The knobs of a training run, each with its default, its unit and its limits.

It does not know which homes are trained on, nor which network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.settings import TRAIN_BATCH_SIZE, TRAIN_EPOCHS, TRAIN_LR

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How a network is trained.

    Raises:
        ConfigError: a value is out of its limits.
    """

    epochs: int = TRAIN_EPOCHS.default  # rounds of training, each followed by a validation and a checkpoint
    batch_size: int = TRAIN_BATCH_SIZE.default  # windows of a step, over all processes together
    steps_per_epoch: int | None = None  # None: one pass over the data, but 100 at least and 2000 at most
    lr: float = TRAIN_LR.default  # the highest learning rate, after the warm-up
    warm_up: float = 0.05  # share of the steps over which the learning rate rises from 0
    weight_decay: float = 1e-2  # of matrices and kernels; biases and gains have none
    clip_norm: float = 1.0  # the gradient is shortened to this length
    averaging: float = 0.998  # decay a step of the averaged weights, which are those validated and kept
    patience: int = 10  # epochs without a better validation after which training stops
    seed: int = 0
    precision: Precision = "auto"  # auto: bfloat16 where there is CUDA, float32 elsewhere

    validation_houses: tuple[str, ...] = ()  # series kept for validation; none: blocks of time of every house
    validation_fraction: float = 0.15  # of each house's time, where no house is named; 0: no validation

    active_share: float = 0.5  # windows placed on an activation of some appliance; the rest lie anywhere
    replace: float = 0.5  # chance that an appliance of a window gives way to one from another house or time
    remove: float = 0.2  # chance that an appliance is taken out of a window
    stretch: tuple[float, float] = (0.6, 1.5)  # what comes in lasts so many times as long
    scale: tuple[float, float] = (0.7, 1.3)  # and takes so many times the power
    warp: float = 0.4  # how unevenly its phases are stretched: 0 evenly, below 1 so that none is turned round
    bend: float = 0.1  # what draws little (a motor) against what draws much: W to the power of 1 +- bend
    own_hour: float = 0.0  # chance that it comes in within an hour of its own time of day, and not at any
    strangers: float = 0.15  # chance that what no plug measures elsewhere comes into a window too
    # How often a data set is drawn from; 1 where not named.
    shares: Mapping[str, float] = field(default_factory=dict)

    gate_weight: float = 1.0  # of the on/off term, against the power term
    teaching: float = 0.7  # share of the loss that follows the run's teachers, where it has some
    balance: float = 0.7  # 0: appliances weigh by their use; 1: as if each were used as much as the others

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            self._expect(name, getattr(self, name) >= 1, "a whole number of at least 1")
        if self.steps_per_epoch is not None:
            self._expect("steps_per_epoch", self.steps_per_epoch >= 1, "a whole number of at least 1")
        for name in ("lr", "clip_norm"):
            self._expect(name, 0 < getattr(self, name) < float("inf"), "a number above 0")
        for name in ("weight_decay", "gate_weight"):
            self._expect(name, 0 <= getattr(self, name) < float("inf"), "a number of at least 0")
        for name in (
            "active_share",
            "replace",
            "remove",
            "own_hour",
            "strangers",
            "warm_up",
            "balance",
            "teaching",
        ):
            self._expect(name, 0 <= getattr(self, name) <= 1, "a share from 0 to 1")
        self._expect("remove", self.replace + self.remove <= 1, "at most 1 together with replace")
        for name in ("warp", "bend"):
            self._expect(name, 0 <= getattr(self, name) < 1, "a number from 0 to below 1")
        self._expect(
            "shares", all(0 < share < float("inf") for share in self.shares.values()), "numbers above 0"
        )
        self._expect("averaging", 0 <= self.averaging < 1, "a decay from 0 to below 1")
        self._expect("validation_fraction", 0 <= self.validation_fraction <= 0.5, "a share from 0 to 0.5")
        for name in ("stretch", "scale"):
            low, high = getattr(self, name)
            self._expect(name, 0 < low <= high < float("inf"), "a lower and an upper limit above 0")
        known = ("auto", "float32", "bfloat16")
        self._expect("precision", self.precision in known, f"one of {', '.join(known)}")
        self._expect("seed", 0 <= self.seed < 2**32, "a whole number from 0 to 4294967295")

    def _expect(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(f"{name} is {getattr(self, name)!r}: expected {expected}; correct it")
