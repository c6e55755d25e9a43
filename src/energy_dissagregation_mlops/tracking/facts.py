"""What is known of a training run before it begins: parameters, data, environment.

It names neither the person nor the machine.
"""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
import yaml

from energy_dissagregation_mlops import __version__
from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.cores import available_cores
from energy_dissagregation_mlops.files import sha256_of_json
from energy_dissagregation_mlops.training_run.bundling import git_commit
from energy_dissagregation_mlops.training_run.prepared import PreparedRun

PACKAGES = ("torch", "numpy", "onnxruntime", "onnx", "mlflow-skinny", "optuna")
_TEXT_LIMIT = 500  # characters of a parameter; whole it stands in the run's YAML


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseFacts:
    """The data of one house that is trained on."""

    reference: str  # "ukdale:1"
    manifest_sha256: str  # changes with the readings and with what was done to them
    mains_sha256: tuple[str, ...]  # of each channel's readings


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A run, before it begins."""

    config: RunConfig
    houses: tuple[HouseFacts, ...]
    environment: Mapping[str, str]

    @classmethod
    def of(cls, run: PreparedRun) -> Facts:
        """What there is to know of a run."""
        return cls(
            config=run.config,
            houses=tuple(
                HouseFacts(
                    reference=house.manifest.reference,
                    manifest_sha256=house.manifest_sha256(),
                    mains_sha256=house.manifest.mains_sha256,
                )
                for house in run.houses
            ),
            environment=environment(),
        )

    @property
    def data_sha256(self) -> str:
        """A hash of all the data that is trained on, in its order."""
        return sha256_of_json([dataclasses.asdict(house) for house in self.houses])

    @property
    def identity(self) -> str:
        """A hash of what makes the run the run it is: its data and every setting."""
        return sha256_of_json([{"name": self.config.name, **self.config.settings()}, self.data_sha256])

    def parameters(self) -> dict[str, str]:
        """Every setting, "training.lr" for one of a section; what was left open is left out."""
        settings = self.config.settings() | {"houses": [house.reference for house in self.houses]}
        return {key: _text(value)[:_TEXT_LIMIT] for key, value in _flat(settings) if value is not None}

    def yaml_text(self) -> str:
        """The run's configuration as `edmlops train --config` takes it."""
        return run_yaml(self.config)


def run_yaml(config: RunConfig) -> str:
    """A configuration as the YAML that gives it; what was left open is left out."""
    settings = {
        key: value for key, value in dataclasses.asdict(config).items() if value not in (None, "", {}, ())
    }
    settings["training"] = {key: value for key, value in settings["training"].items() if value is not None}
    # Through JSON: YAML would write Python's tuples as such.
    return yaml.safe_dump(
        json.loads(json.dumps(settings)), sort_keys=False, default_flow_style=None, width=110
    )


def environment() -> dict[str, str]:
    """What the run is computed by and on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    found = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(available_cores()),
        "device": device,
        "package": __version__,
        "commit": git_commit() or "unknown",
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
