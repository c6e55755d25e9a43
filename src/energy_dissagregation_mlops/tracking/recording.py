"""A training run, recorded while it goes on.

What a run tells of its progress goes to MLflow epoch by epoch; its bundle is named at the end. No fault
of the record ends a training: the first is told in one warning, and the run goes on unrecorded. Training
knows nothing of all this.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from energy_dissagregation_mlops.bundle import CARD, METRICS, SUMS, Bundle
from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.files import json_text
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store
from energy_dissagregation_mlops.tracking.facts import Facts
from energy_dissagregation_mlops.tracking.names import (
    BEST,
    BUNDLE,
    BUNDLE_SHA256,
    DATA,
    ENVIRONMENT,
    ERROR,
    IDENTITY,
    NEWEST_FIRST,
    USER,
)
from energy_dissagregation_mlops.tracking.opening import RunStore, first_line
from energy_dissagregation_mlops.training.distributed import is_first_process
from energy_dissagregation_mlops.training.progress import Progress, Report, silent
from energy_dissagregation_mlops.training.validation import Validation
from energy_dissagregation_mlops.training_run import running
from energy_dissagregation_mlops.training_run.prepared import PreparedRun

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

logger = logging.getLogger(__name__)

_ERROR_LENGTH = 500  # characters


def train(
    store: Store, registry: Registry, config: RunConfig, *, resume: bool = False, report: Report = silent
) -> Bundle | None:
    """``running.train`` of a run that is prepared here, recorded.

    Args and returns: as there, and as ``PreparedRun.of``.

    Raises:
        EdmlopsError: as there; never because of the record.
    """
    run = PreparedRun.of(store, registry, config)
    if not is_first_process():
        return running.train(run, resume=resume, report=report)
    with running.alone(registry, config.name):
        pass  # what is refused does not go on record
    goes_on = resume and run.checkpoint.exists()
    with recorded(Facts.of(run), RunStore(registry.root), resume=goes_on) as recording:

        def both(progress: Progress) -> None:
            report(progress)
            recording.report(progress)

        bundle = running.train(run, resume=resume, report=both)
        if bundle is not None:
            recording.name_bundle(bundle)
        return bundle


class Recording:
    """One run in MLflow, or none: then everything is taken note of by nobody."""

    def __init__(self, facts: Facts, runs: RunStore, *, resume: bool) -> None:
        self._address = runs.address
        self._client: MlflowClient | None = None
        self._run = ""
        self._told_epoch = 0
        try:
            client = runs.open()
            experiment = runs.experiment(client, facts.config.name)
            unfinished = _unfinished(client, experiment, facts) if resume else None
            self._run = unfinished or _begun(client, experiment, facts)
            client.update_run(self._run, status="RUNNING")
            self._client = client
        except ModuleNotFoundError as error:
            self._give_up(f"{error.name} is not installed here")
        except Exception as error:  # noqa: BLE001 - whatever a store does, training comes first
            self._give_up(first_line(error))

    def report(self, progress: Progress) -> None:
        """Record an epoch that has come to its end."""
        if progress.step * progress.epochs != progress.epoch * progress.steps:
            return
        # The end of an epoch may be told of twice: before its validation, and with it.
        metrics: dict[str, float] = {}
        if progress.epoch != self._told_epoch:
            metrics = {"epoch": progress.epoch, "loss": progress.loss}
            metrics["samples_per_second"] = progress.samples_per_second
            self._told_epoch = progress.epoch
        if progress.validation is not None:
            metrics |= metrics_of(progress.validation)
            if math.isfinite(progress.best):
                metrics[BEST] = progress.best
        if metrics:
            self._do(lambda client: _log(client, self._run, metrics, epoch=progress.epoch))

    def name_bundle(self, bundle: Bundle) -> None:
        """Record what came of the run."""

        def write(client: MlflowClient) -> None:
            for key, value in ((BUNDLE, bundle.card.reference), (BUNDLE_SHA256, bundle.sha256)):
                client.set_tag(self._run, key, value)
            client.update_run(self._run, name=bundle.card.reference)
            for name in (CARD, METRICS, SUMS):
                client.log_artifact(self._run, str(bundle.folder / name))

        self._do(write)

    def finish(self, status: str, error: BaseException | None = None) -> None:
        """Close the run."""

        def write(client: MlflowClient) -> None:
            if error is not None:
                client.set_tag(self._run, ERROR, first_line(error)[:_ERROR_LENGTH])
            client.set_terminated(self._run, status)

        self._do(write)

    def tag(self, key: str, value: str) -> None:
        """Say something of the run."""
        self._do(lambda client: client.set_tag(self._run, key, value))

    def _give_up(self, reason: str) -> None:
        self._client = None
        logger.warning("from here on this run is not recorded in %s: %s", self._address, reason)

    def _do(self, write: Callable[[MlflowClient], object]) -> None:
        if self._client is None:
            return
        try:
            write(self._client)
        except Exception as error:  # noqa: BLE001 - as above
            self._give_up(first_line(error))


@contextmanager
def recorded(facts: Facts, runs: RunStore, *, resume: bool) -> Iterator[Recording]:
    """A recording for the length of the block, closed with how the block ends.

    Args:
        facts: of the run.
        runs: where it goes on record.
        resume: go on with the record of the same run that did not end, where there is one.
    """
    recording = Recording(facts, runs, resume=resume)
    try:
        yield recording
    except KeyboardInterrupt:
        recording.finish("KILLED")
        raise
    except BaseException as error:
        recording.finish("FAILED", error)
        raise
    recording.finish("FINISHED")


def metrics_of(validation: Validation) -> dict[str, float]:
    """A validation as metrics, "mae/kettle" for one of an appliance; what is unknown is left out."""
    found = {"score": validation.score}
    for one in validation.appliances:
        for name in ("mae", "always_off_mae", "f1"):
            found[f"{name}/{one.appliance}"] = getattr(one, name)
    return {key: value for key, value in found.items() if math.isfinite(value)}


def _begun(client: MlflowClient, experiment: str, facts: Facts) -> str:
    tags = {IDENTITY: facts.identity, DATA: facts.data_sha256, USER: ""}
    tags |= {f"{ENVIRONMENT}{key}": value for key, value in facts.environment.items()}
    run = client.create_run(experiment, tags=tags, run_name=facts.config.name).info.run_id
    from mlflow.entities import Param

    client.log_batch(run, params=[Param(key, value) for key, value in facts.parameters().items()])
    client.log_text(run, facts.yaml_text(), "run.yaml")
    houses = [dataclasses.asdict(house) for house in facts.houses]
    client.log_text(run, json_text({"sha256": facts.data_sha256, "houses": houses}), "data.json")
    client.log_text(run, json_text(dict(facts.environment)), "environment.json")
    return str(run)


def _unfinished(client: MlflowClient, experiment: str, facts: Facts) -> str | None:
    found = client.search_runs(
        [experiment],
        f"tags.`{IDENTITY}` = '{facts.identity}' and attributes.status != 'FINISHED'",
        max_results=1, order_by=[NEWEST_FIRST],
    )  # fmt: skip
    return str(found[0].info.run_id) if found else None


def _log(client: MlflowClient, run: str, metrics: dict[str, float], *, epoch: int) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    client.log_batch(run, metrics=[Metric(key, value, now, epoch) for key, value in metrics.items()])
