"""MLflow's store of runs: where it lies, and how it is opened without a word to anybody.

A store is a SQLite file beside the models, unless MLFLOW_TRACKING_URI names another or a server. MLflow is
imported here and only when a run is recorded or looked at: it takes more than a second. What a run is,
this does not know.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from energy_dissagregation_mlops.errors import EdmlopsError, TrackingError
from energy_dissagregation_mlops.settings import MLFLOW_TRACKING_URI

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_SQLITE = "sqlite:///"

# MLflow reads these when it is imported. It would tell its makers of its use; it sets its own logger up, tells of
# every table that it makes, and of every fault by its traceback: whoever asks for something is told in one line.
_SILENCE = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "CRITICAL"}
# It would be patient for minutes with a server that does not answer, while training waits.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


@dataclass(frozen=True, slots=True)
class RunStore:
    """Where the runs of these models are on record."""

    models: Path  # the registry's folder

    @property
    def folder(self) -> Path:
        """What is kept beside the models; hidden, so that no model can be called so."""
        return self.models.absolute() / ".runs"

    @property
    def address(self) -> str:
        """Of the store, as MLflow writes it."""
        return MLFLOW_TRACKING_URI.value() or f"{_SQLITE}{self.folder / 'runs.db'}"

    @property
    def file(self) -> Path | None:
        """The store's SQLite file; None where it is something else."""
        where = self.address
        return Path(where.removeprefix(_SQLITE)) if where.startswith(_SQLITE) else None

    def open(self) -> MlflowClient:
        """A client of the store; a SQLite file is made where there is none.

        Raises:
            ModuleNotFoundError: MLflow is not installed here.
            Exception: whatever MLflow and the store's driver raise of a store that can't be used.
        """
        os.environ.update(_SILENCE)
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        if self.file is not None and not self.file.exists():
            _make(self.file)
        return _client(self.address)

    def open_existing(self) -> MlflowClient:
        """A client of a store that is there.

        Raises:
            TrackingError: nothing was recorded yet, or the store can't be used.
            ModuleNotFoundError: MLflow is not installed here.
        """
        if self.file is not None and not self.file.is_file():
            raise TrackingError(f"{self.address} holds no run yet: `edmlops train` records the first")
        with self.asked():
            return self.open()

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Ask for what is on record in the block.

        Raises:
            TrackingError: the store can't be read; of a server that is away one hears only when it is asked.
        """
        try:
            yield
        except (EdmlopsError, ModuleNotFoundError):
            raise
        except Exception as error:
            raise TrackingError(
                f"{self.address} can't be read as a store of runs ({first_line(error)})"
            ) from error

    def experiment(self, client: MlflowClient, name: str) -> str:
        """The identity of the experiment of this name, made where there is none."""
        found = client.get_experiment_by_name(name)
        if found is None:
            # A server knows where artefacts go. A file does not, and MLflow would take the working directory.
            beside = (self.folder / "artefacts").as_uri() if self.address.startswith("sqlite:") else None
            try:
                return str(client.create_experiment(name, artifact_location=beside))
            except Exception:
                # Another process may have made it meanwhile.
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)


def _client(address: str) -> MlflowClient:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one library about another
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=address, registry_uri=address)


def _make(file: Path) -> None:
    """Make a store's file, whole or not at all: MLflow's own way fails where two processes make it at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=file.parent, prefix=".making-") as folder:
        aside = Path(folder, file.name)
        _client(f"{_SQLITE}{aside}")
        with suppress(FileExistsError):  # another process was quicker
            file.hardlink_to(aside)


def first_line(error: BaseException) -> str:
    """What went wrong, in one line: MLflow's messages bring the driver's pages along."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
