"""Runs on record, to be listed and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from energy_dissagregation_mlops.errors import TrackingError, UnknownNameError
from energy_dissagregation_mlops.tracking.names import (
    BEST,
    BUNDLE,
    DATA,
    ENVIRONMENT,
    ERROR,
    NEWEST_FIRST,
)
from energy_dissagregation_mlops.tracking.opening import RunStore

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

_SHOWN = 8  # hexadecimal digits of a run's identity, where it is named
_PAGE = 1000  # runs of one answer
_AT_LEAST = 4  # digits that name a run
_LISTED = 10  # runs named where one was not found


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """One run as it stands on record."""

    run: str  # its identity: 32 hexadecimal digits
    name: str  # of the model
    status: str  # running, finished, failed, killed
    began: float  # s since 1970, UTC
    ended: float | None  # None while it runs, or where it was killed without a word
    epochs: int  # done
    score: float | None  # the best validation's, as a share of always-off's error
    bundle: str | None  # what came of it, "home@3"
    error: str | None  # what it failed of
    data_sha256: str
    parameters: Mapping[str, str]
    environment: Mapping[str, str]
    metrics: Mapping[str, float]  # of its best epoch; in a list of runs of its last


def recorded_runs(runs: RunStore, name: str | None = None) -> list[RecordedRun]:
    """Every run, or those of one model; the newest first.

    Raises:
        TrackingError: nothing was recorded, or the store can't be read.
        UnknownNameError: no run of such a model.
    """
    client = runs.open_existing()
    with runs.asked():
        names = {each.experiment_id: each.name for each in client.search_experiments()}
        if name is not None and name not in names.values():
            raise UnknownNameError("recorded model called", name, sorted(set(names.values()) - {"Default"}))
        wanted = [identity for identity, each in names.items() if name in (None, each)]
        found: list[RecordedRun] = []
        token = None
        while True:
            page = client.search_runs(wanted, max_results=_PAGE, order_by=[NEWEST_FIRST], page_token=token)
            found += [_read(run, names[run.info.experiment_id]) for run in page]
            token = page.token
            if not token:
                return found


def compared(runs: RunStore, references: Sequence[str]) -> list[RecordedRun]:
    """Some runs, each with the metrics of its best epoch.

    Args:
        runs: where they are on record.
        references: the first digits of a run's identity, or the bundle that came of it.

    Raises:
        TrackingError: nothing was recorded, the store can't be read, or several runs are meant.
        UnknownNameError: no such run.
    """
    every = recorded_runs(runs)
    client = runs.open_existing()
    with runs.asked():
        return [_at_best(client, _named(reference, every)) for reference in references]


def _named(reference: str, runs: Sequence[RecordedRun]) -> RecordedRun:
    found = [run for run in runs if run.bundle == reference]
    if not found and len(reference) >= _AT_LEAST:
        found = [run for run in runs if run.run.startswith(reference)]
    if not found:
        known = [run.bundle or run.run[:_SHOWN] for run in runs]
        more = "`edmlops runs list` shows all" if len(known) > _LISTED else ""
        raise UnknownNameError("recorded run", reference, known[:_LISTED], more)
    if len(found) > 1:
        listed = ", ".join(run.run[:_SHOWN] for run in found[:_LISTED])
        raise TrackingError(f"{reference} names several runs ({listed}): give more digits, or one of these")
    return found[0]


def _at_best(client: MlflowClient, run: RecordedRun) -> RecordedRun:
    """The run with the metrics of the epoch whose weights were kept."""
    histories = {key: client.get_metric_history(run.run, key) for key in run.metrics if key != BEST}
    scores = {each.step: each.value for each in histories.get("score", ())}
    if not scores:
        return run
    best = min(scores, key=lambda step: (scores[step], step))
    metrics = {key: each.value for key, history in histories.items() for each in history if each.step == best}
    return replace(run, metrics=metrics | {"epoch": best})


def _read(run: Run, name: str) -> RecordedRun:
    tags, metrics = run.data.tags, run.data.metrics
    return RecordedRun(
        run=run.info.run_id,
        name=name,
        status=run.info.status.lower(),
        began=run.info.start_time / 1000,
        ended=run.info.end_time / 1000 if run.info.end_time and run.info.status != "RUNNING" else None,
        epochs=int(metrics.get("epoch", 0)),
        score=metrics.get(BEST),
        bundle=tags.get(BUNDLE),
        error=tags.get(ERROR),
        data_sha256=tags.get(DATA, ""),
        parameters=dict(run.data.params),
        environment={
            key.removeprefix(ENVIRONMENT): value for key, value in tags.items() if key.startswith(ENVIRONMENT)
        },
        metrics=dict(metrics),
    )
