"""Runs on a cluster in this process, and commands as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

sys.path.insert(0, str(Path(__file__).parent))  # many_homes

from energy_dissagregation_mlops.batch.plan import Options
from energy_dissagregation_mlops.batch.run import Manifest, Request, run
from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """A cluster of threads in this process."""
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as found,
    ):  # fmt: skip
        yield found


Score = Callable[..., Manifest]


@pytest.fixture
def bundle(registry: Registry, make_bundle: Callable[[], Bundle]) -> Bundle:
    """The plain model, in production."""
    return registry.promote(make_bundle().card.reference)


@pytest.fixture
def score(client: Client, bundle: Bundle) -> Score:
    """Run in this process, with the plain model; ``named`` is one that a person names."""

    def scored(source: object, output: object, *, named: Bundle | None = None, **options: object) -> Manifest:
        request = Request(
            input=str(source), output=str(output), options=Options.model_validate(options),
            bundle=lambda: named or bundle, bundle_named=named is not None,
        )  # fmt: skip
        return run(request, nullcontext(client), lambda done, total, what: None)

    return scored


@dataclass(slots=True)
class Processes:
    """Started by a test, and gone when it ends."""

    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *command: object) -> subprocess.Popen[str]:
        """Start a module of this Python as a process, its output and errors in one pipe."""
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, command)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment,
        )  # fmt: skip
        self.started.append(process)
        return process

    def batch(self, source: Path, output: Path, *options: object) -> subprocess.Popen[str]:
        """Start `edmlops batch`."""
        return self.start("energy_dissagregation_mlops", "batch", source, "--output", output, *options)


@contextmanager
def processes(environment: dict[str, str]) -> Iterator[Processes]:
    made = Processes(environment=environment)
    try:
        yield made
    finally:
        for process in made.started:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def commands(registry: Registry, bundle: Bundle) -> Iterator[Processes]:
    """Commands as processes, with the plain model in production."""
    with processes(os.environ | {"MODELS_PATH": str(registry.root), "OMP_NUM_THREADS": "1"}) as made:
        yield made
