"""A trial is judged by its best epoch, whether it was done in one go or not."""

from __future__ import annotations

import dataclasses
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.training import loop
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training.validation import Validation
from energy_dissagregation_mlops.tuning.trial import Task, pruner, run

TINY = {"window_length": 128, "width": 4, "skip_width": 4, "expansion": 1, "kernel": 3, "dilations": [1]}
RUN = RunConfig(
    name="run-search", network_options=TINY, test_houses=(),
    training=TrainingConfig(epochs=3, steps_per_epoch=10, batch_size=2),
)  # fmt: skip


def test_a_trial_that_goes_on_is_judged_by_what_it_did_before_too(
    tmp_path: Path, store: Store, make_house: Callable[..., StoredHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_house(house=1, days=2)
    scores, validate = iter([0.5, 0.9, 0.7]), loop.validate

    def scored(*arguments: object) -> Validation:
        score = next(scores)
        if score == 0.5:
            signal.raise_signal(signal.SIGINT)
        return dataclasses.replace(validate(*arguments), score=score)

    monkeypatch.setattr(loop, "validate", scored)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)  # there is no record
    storage = tmp_path / "search.db"
    study = optuna.create_study(study_name="s", storage=f"sqlite:///{storage}")

    def task() -> Task:
        trial = study.ask()
        return Task(
            store=store.root, models=tmp_path / "models", storage=storage, study="s", number=trial.number,
            identity=trial._trial_id, config=RUN, parent=None,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        run(task())
    outcome = run(task())
    assert [each.intermediate_values for each in study.trials] == [{1: 0.5}, {2: 0.5, 3: 0.5}]
    assert outcome.score == 0.5 and not outcome.pruned


def test_a_trial_that_lags_behind_four_others_is_given_up_from_its_second_epoch_on() -> None:
    study = optuna.create_study(pruner=pruner())
    given_up = []
    for score in (0.5, 0.5, 0.5, 0.5, 0.9):
        trial = study.ask()
        for epoch in (1, 2):
            trial.report(score, epoch)
            given_up.append(trial.should_prune())
        study.tell(trial, score)
    assert given_up == [False] * 9 + [True]
