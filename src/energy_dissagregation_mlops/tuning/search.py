"""A search over a run's settings, with Optuna: which trial is next, on how many processes, and what is best.

A search is a SQLite file, so it survives whatever becomes of its process: run again, it goes on, and a trial that
was under way is done before any new one. What is asked next comes from a tree-structured Parzen estimator
(Bergstra et al. 2011), the run's own settings first.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.cores import available_cores, interrupts_held, pool
from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.files import exclusive, sha256_of_json, write_text
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store
from energy_dissagregation_mlops.tracking.facts import Facts, run_yaml
from energy_dissagregation_mlops.tracking.opening import RunStore
from energy_dissagregation_mlops.training_run.prepared import PreparedRun
from energy_dissagregation_mlops.tuning.space import Choice, Range, Space
from energy_dissagregation_mlops.tuning.trial import Outcome, Task, decoded, pruner, run, trial_config
from energy_dissagregation_mlops.vocabulary import Update, unwatched

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

logger = logging.getLogger(__name__)

_RETRIED = "retried"  # marks a trial that another does again
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How much is searched, and where what is found goes."""

    trials: int  # of the whole search, those of earlier calls among them
    jobs: int = 1  # processes
    output: Path  # the best run so far, as YAML


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A trial of a search."""

    number: int
    state: str  # complete, pruned, fail
    score: float | None  # on validation, the lower the better
    values: dict[str, Any]  # what was changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search came to."""

    study: str
    trials: tuple[Tried, ...]  # the best first
    best: RunConfig
    output: Path


def search(store: Store, models: Path, space: Space, wish: Wish, *, progress: Update = unwatched) -> Found:
    """Search until there are so many trials.

    Args:
        store: the processed houses; those that are tested on are not opened.
        models: the registry's folder, beside which the search and its runs are kept.
        space: what may be changed.
        wish: how much.
        progress: told of trials done and in all.

    Raises:
        ConfigError: the same search is going on elsewhere, or no trial could be scored.
        EdmlopsError: the houses can't be used.
    """
    if not (space.base.training.validation_fraction or space.base.training.validation_houses):
        raise ConfigError(
            "a search needs something to validate on: validation_houses, or a validation_fraction above 0"
        )
    name = _study_name(store, Registry(models), space)
    storage = RunStore(models).folder / "searches" / f"{name}.db"
    storage.parent.mkdir(parents=True, exist_ok=True)
    going_on = f"{storage}: this search is going on in another process"
    with exclusive(
        storage.with_suffix(".lock"),
        lambda who: ConfigError(f"{going_on} ({who}): wait for it, or give it more --jobs"),
    ):
        study = _opened(storage, name, space)
        parent = os.getpid() if wish.jobs > 1 else None
        task = partial(Task, store=store.root, models=models, storage=storage, parent=parent)
        _search(study, space, wish, task, progress)
        found = _found(study, space, wish.output)
    if found is None:
        raise ConfigError(f"none of the {wish.trials} trials could be scored: the warnings above say why")
    return found


def _study_name(store: Store, registry: Registry, space: Space) -> str:
    """The same for the same run, data and space.

    Raises:
        EdmlopsError: there is nothing to train on.
    """
    facts = Facts.of(PreparedRun.of(store, registry, space.base))
    dimensions = {
        key: [type(each).__name__, dataclasses.asdict(each)] for key, each in space.dimensions.items()
    }
    return f"{space.base.name}-{sha256_of_json([facts.identity, dimensions])[:_DIGITS]}"


def _opened(storage: Path, name: str, space: Space) -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=name, storage=f"sqlite:///{storage}", load_if_exists=True, pruner=pruner()
    )
    past = study.get_trials(deepcopy=False)
    # Begun anew with the same seed, it would ask for the same again.
    study.sampler = optuna.samplers.TPESampler(seed=space.base.training.seed + len(past))
    for trial in past:
        if trial.state == optuna.trial.TrialState.RUNNING:
            logger.info("trial %d was under way: it goes on", trial.number)
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params, user_attrs={_RETRIED: trial.number})
    present = space.present()
    if not past and present:
        study.enqueue_trial(_encoded(space, present))
    return study


def _search(study: Study, space: Space, wish: Wish, task: Callable[..., Task], progress: Update) -> None:
    """Ask and tell until all is done."""

    def asked() -> Task:
        trial = study.ask()
        config = space.config(decoded(_suggested(trial, space)))
        return task(
            study=study.study_name, number=trial.number, identity=trial._trial_id,
            config=trial_config(space.base, config),
        )  # fmt: skip

    def told(outcome: Outcome) -> None:
        _tell(study, outcome)
        _found(study, space, wish.output)
        progress(_num_done(study), wish.trials, _note(study))

    progress(_num_done(study), wish.trials, "")
    if wish.jobs == 1:
        while _num_done(study) < wish.trials:
            told(run(asked()))
        return
    os.environ["OMP_NUM_THREADS"] = str(max(1, available_cores() // wish.jobs))
    with pool(wish.jobs) as processes:
        waiting: set[Future[Outcome]] = set()
        while waiting or _num_done(study) < wish.trials:
            with interrupts_held():
                while len(waiting) < min(wish.jobs, wish.trials - _num_done(study)):
                    waiting.add(processes.submit(run, asked()))
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for each in done:
                told(each.result())


def _tell(study: Study, outcome: Outcome) -> None:
    import optuna

    states = optuna.trial.TrialState
    if outcome.score is None or outcome.score != outcome.score:
        logger.warning(
            "trial %d failed: %s", outcome.number, outcome.error or "nothing was known on validation"
        )
        study.tell(outcome.number, state=states.FAIL)
    elif outcome.pruned:
        study.tell(outcome.number, state=states.PRUNED)
    else:
        study.tell(outcome.number, outcome.score)


def _suggested(trial: Trial, space: Space) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, dimension in space.dimensions.items():
        if isinstance(dimension, Choice):
            values[key] = trial.suggest_categorical(key, [json.dumps(each) for each in dimension.values])
        elif dimension.whole:
            step = 1 if dimension.step is None else int(dimension.step)
            values[key] = trial.suggest_int(
                key, int(dimension.low), int(dimension.high), step=step, log=dimension.log
            )
        else:
            values[key] = trial.suggest_float(
                key, dimension.low, dimension.high, step=dimension.step, log=dimension.log
            )
    return values


def _encoded(space: Space, values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value if isinstance(space.dimensions[key], Range) else json.dumps(value)
        for key, value in values.items()
    }


def _counted(study: Study) -> list[FrozenTrial]:
    """The trials that are over, but for those that another did again."""
    retried = {trial.user_attrs.get(_RETRIED) for trial in study.get_trials(deepcopy=False)}
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished() and trial.number not in retried
    ]


def _num_done(study: Study) -> int:
    return len(_counted(study))


def _note(study: Study) -> str:
    scores = [
        trial.value for trial in _counted(study) if trial.state.name == "COMPLETE" and trial.value is not None
    ]
    return f"best {min(scores):.3f}" if scores else ""


def _found(study: Study, space: Space, output: Path) -> Found | None:
    """The trials so far; the best run is written."""
    over = _counted(study)
    complete = [trial for trial in over if trial.state.name == "COMPLETE"]
    if not complete:
        return None
    tried = [
        Tried(
            number=trial.number, state=trial.state.name.lower(), values=decoded(trial.params),
            score=trial.value if trial.state.name == "COMPLETE" else _last(trial),
        )
        for trial in over
    ]  # fmt: skip
    tried.sort(key=lambda each: (each.state != "complete", each.score is None, each.score or 0.0))
    best = space.config(tried[0].values)
    write_text(
        output,
        f"# The best of {len(over)} trials of {study.study_name}: {tried[0].score:.4f} on validation.\n{run_yaml(best)}",
    )
    return Found(study=study.study_name, trials=tuple(tried), best=best, output=output)


def _last(trial: FrozenTrial) -> float | None:
    return min(trial.intermediate_values.values(), default=None)
