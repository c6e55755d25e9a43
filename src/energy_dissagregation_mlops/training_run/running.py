"""A prepared run, carried out: trained, or put together from its members, and made a bundle."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, count
from pathlib import Path

import torch

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.files import check_writable, exclusive
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import listed
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training.distributed import is_first_process
from energy_dissagregation_mlops.training.loop import fit
from energy_dissagregation_mlops.training.progress import Fitted, Report, silent
from energy_dissagregation_mlops.training.together import put_together
from energy_dissagregation_mlops.training_run.bundling import bundled
from energy_dissagregation_mlops.training_run.prepared import PreparedRun

logger = logging.getLogger(__name__)


def train(run: PreparedRun, *, resume: bool = False, report: Report = silent) -> Bundle | None:
    """Train a run's network and add it to the registry.

    Args:
        run: prepared.
        resume: go on with an interrupted run of the same configuration and data.
        report: told of progress.

    Returns:
        The bundle; None in a process of a distributed run that is not the first.

    Raises:
        ConfigError, UnknownNameError, BundleError: as ``fitted``.
        ParityError: the exported graph differs from the network.
        EdmlopsError: the registry can't be written.
    """
    references = [house.manifest.reference for house in run.houses]
    logger.info("training on %s; kept unseen: %s", listed(references), listed(run.unseen) or "none")
    datasets = dict.fromkeys(house.manifest.dataset for house in run.houses)
    if idle := [name for name in run.config.training.shares if name not in datasets]:
        logger.warning("shares of %s take no effect: there is %s", ", ".join(idle), ", ".join(datasets))
    with alone(run.registry, run.config.name):
        if not resume and is_first_process():
            _set_aside(run.checkpoint)
        done = fitted(run, checkpoint=run.checkpoint, resume=resume, report=report)
        if not is_first_process():
            return None
        bundle = bundled(run, done)
        run.checkpoint.unlink(missing_ok=True)
        return bundle


def _set_aside(checkpoint: Path) -> None:
    """Keep the state of an interrupted run that is begun anew: this run's own would take its place."""
    if checkpoint.exists():
        free = (checkpoint.with_name(f"checkpoint.before{number}.pt") for number in chain(("",), count(2)))
        kept = checkpoint.replace(next(path for path in free if not path.exists()))
        logger.warning(
            "what an interrupted run came to is kept as %s, and this one begins anew: to go on with that one, move it back to %s "
            "and train with --resume",
            kept, checkpoint.name,
        )  # fmt: skip


def alone(registry: Registry, name: str) -> AbstractContextManager[object]:
    """Keep other trainings of a name off its checkpoint.

    Raises:
        EdmlopsError: one is going on, or the registry can't be written.
    """
    folder = registry.root / name
    check_writable(folder)  # hours of training should not end in a refusal
    if not is_first_process():
        return nullcontext()
    remedy = "wait for it or stop it, or train under another --name"
    return exclusive(
        folder / ".training.lock", lambda who: ConfigError(f"{name} is being trained by {who}: {remedy}")
    )


def fitted(run: PreparedRun, *, checkpoint: Path, resume: bool = False, report: Report = silent) -> Fitted:
    """Train a run's network, and keep it to oneself: the arguments are those of ``train`` and of ``fit``.

    Raises:
        ConfigError, UnknownNameError: as ``fit`` and ``put_together``.
        BundleError: a bundle to begin from or to learn from has no weights.
    """
    config, before = run.config.training, run.predecessors
    series = [TrainingSeries.of(house, run.appliance_names) for house in run.houses]
    torch.manual_seed(config.seed)
    if before.members:
        whole, members = before.together()
        if whole.appliances != run.appliance_names:
            raise ConfigError(
                f"the members answer for {', '.join(whole.appliances)}, and this run is for {', '.join(run.appliance_names)}: "
                "name the members' appliances under appliances"
            )
        return put_together(whole, members, series, config)
    network = run.network()
    before.begin(network)
    return fit(
        network, series, config, checkpoint=checkpoint, resume=resume, report=report, lesson=before.lesson()
    )
