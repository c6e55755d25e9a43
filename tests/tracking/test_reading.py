"""Runs on record are listed and compared, and a store that can't be asked is told of in one line."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from energy_dissagregation_mlops.errors import TrackingError
from energy_dissagregation_mlops.tracking.opening import RunStore
from energy_dissagregation_mlops.tracking.reading import compared, recorded_runs


@pytest.mark.parametrize(
    "ask", [recorded_runs, lambda runs: compared(runs, ["run@1"])], ids=["list", "compare"]
)
def test_a_server_that_is_away_is_told_of_in_one_line_and_soon(
    ask, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(TrackingError, match="can't be read as a store of runs") as caught:
        ask(runs)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 30


def test_a_server_that_goes_away_between_two_questions_is_told_of_too(
    made: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise ConnectionError("gone")

    run = SimpleNamespace(bundle="run@1", run="abcdef", metrics={"score": 1.0})
    monkeypatch.setattr("energy_dissagregation_mlops.tracking.reading.recorded_runs", lambda _: [run])
    monkeypatch.setattr("mlflow.tracking.MlflowClient.get_metric_history", gone)
    with pytest.raises(TrackingError, match="gone"):
        compared(made, ["run@1"])
