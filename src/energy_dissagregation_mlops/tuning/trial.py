"""One trial of a search: a training with some settings, scored on validation, given up where it lags behind.

A trial that was killed goes on from its checkpoint. No bundle comes of it, and test houses are never opened.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.errors import EdmlopsError
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store
from energy_dissagregation_mlops.terminal import set_up_logging
from energy_dissagregation_mlops.tracking.facts import Facts
from energy_dissagregation_mlops.tracking.opening import RunStore
from energy_dissagregation_mlops.tracking.recording import recorded
from energy_dissagregation_mlops.training.progress import Progress
from energy_dissagregation_mlops.training_run.prepared import PreparedRun
from energy_dissagregation_mlops.training_run.running import fitted

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.trial import Trial

_SEARCH, _TRIAL, _PRUNED = "edmlops.search", "edmlops.trial", "edmlops.pruned"  # tags of a run on record


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A trial, as a process of its own can be given it."""

    store: Path  # the processed houses
    models: Path  # the registry's folder, beside whose bundles runs are on record
    storage: Path  # the search's SQLite file
    study: str
    number: int
    identity: int  # the trial's in the storage
    config: RunConfig
    parent: int | None  # the process that waits for it, where that is another


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a trial."""

    number: int
    score: float | None  # the best validation's; None where it failed
    pruned: bool = False
    error: str | None = None


class _LagsBehindError(Exception):
    """The trial lags behind the others."""


def opened_study(storage: Path, study: str) -> Study:
    """A study of a storage.

    Raises:
        KeyError: there is none of this name.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.load_study(
        study_name=study,
        storage=f"sqlite:///{storage}",
        sampler=optuna.samplers.RandomSampler(),
        pruner=pruner(),
    )


def pruner() -> BasePruner:
    """What gives up a trial whose best score so far is worse than the median of the others' at its epoch."""
    import optuna

    # Not by its first epoch, which is 1.
    return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2)


def run(task: Task) -> Outcome:
    """Do a trial.

    Raises:
        KeyboardInterrupt: after its state was written.
    """
    import optuna

    if task.parent is not None:
        set_up_logging(logging.WARNING)
    trial = optuna.Trial(opened_study(task.storage, task.study), task.identity)
    checkpoint = task.storage.with_suffix("") / f"{_named(task.config)}.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    try:
        outcome = _tried(task, trial, checkpoint)
    except EdmlopsError as error:
        outcome = Outcome(number=task.number, score=None, error=str(error))
    checkpoint.unlink(missing_ok=True)
    return outcome


def _tried(task: Task, trial: Trial, checkpoint: Path) -> Outcome:
    """Train, and give up where it lags behind; raises as training does."""
    best = math.nan

    def report(progress: Progress) -> None:
        nonlocal best
        if task.parent is not None and os.getppid() != task.parent:
            os._exit(1)  # nobody waits for it any more
        recording.report(progress)
        if progress.validation is not None:
            best = progress.best
            trial.report(best, progress.epoch)
            if trial.should_prune():
                raise _LagsBehindError

    prepared = PreparedRun.of(Store(task.store), Registry(task.models), task.config)
    with recorded(Facts.of(prepared), RunStore(task.models), resume=checkpoint.exists()) as recording:
        recording.tag(_SEARCH, task.study)
        recording.tag(_TRIAL, str(task.number))
        try:
            validation = fitted(prepared, checkpoint=checkpoint, resume=True, report=report).best.validation
        except _LagsBehindError:
            recording.tag(_PRUNED, "true")
            return Outcome(number=task.number, score=best, pruned=True)
    return Outcome(number=task.number, score=None if validation is None else validation.score)


def trial_config(base: RunConfig, config: RunConfig) -> RunConfig:
    """A trial's configuration under the name that trials of a run go on record by."""
    return replace(config, name=f"{base.name}-search")


def _named(config: RunConfig) -> str:
    """What a trial's checkpoint is called: the same settings find it again."""
    return hashlib.sha256(repr(config).encode()).hexdigest()[:16]


def decoded(values: Mapping[str, object]) -> dict[str, object]:
    """Values as they were written in YAML, from those of a study, where choices are JSON."""
    return {key: json.loads(value) if isinstance(value, str) else value for key, value in values.items()}
