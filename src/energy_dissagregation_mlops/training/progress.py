"""What a run tells while it goes on, and what it leaves behind.

It does not know how it is shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from pydantic import TypeAdapter

from energy_dissagregation_mlops.networks.contract import Network
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training.validation import Validation


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run is."""

    epoch: int  # from 1
    epochs: int
    step: int  # steps done, of all epochs
    steps: int
    loss: float  # mean of this epoch so far
    samples_per_second: float  # of this epoch, all processes together
    validation: Validation | None = None  # once, at the end of an epoch
    # Score of the epoch that is kept so far, of whatever was resumed too; nan where there is none.
    best: float = math.nan


class Report(Protocol):
    """Somebody who is told of progress, often."""

    def __call__(self, progress: Progress) -> None:
        """Take note; training waits meanwhile."""
        ...


def silent(progress: Progress) -> None:
    """Take no note of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """One epoch of the history."""

    epoch: int  # from 1
    loss: float  # mean
    validation: Validation | None  # None where nothing was kept for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A trained network."""

    network: Network  # with the best weights, on the CPU, in eval mode
    history: tuple[EpochResult, ...]
    best_epoch: int  # from 1
    validated_on: tuple[TrainingSeries, ...]  # the stretches that its weights were chosen on

    @property
    def best(self) -> EpochResult:
        """The epoch whose weights were kept."""
        return self.history[self.best_epoch - 1]


_HISTORY = TypeAdapter(list[EpochResult])


def history_text(history: Sequence[EpochResult]) -> str:
    """The history as JSON."""
    return json.dumps([asdict(one) for one in history])


def parsed_history(text: str) -> list[EpochResult]:
    """The history from its JSON."""
    return _HISTORY.validate_json(text)
