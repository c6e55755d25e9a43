"""The command, run in this process or in one of its own, and one pipeline that many tests look at."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from energy_dissagregation_mlops import terminal
from energy_dissagregation_mlops.cli import app

TINY = """\
name: tiny
network_options: {window_length: 256, width: 8, skip_width: 8, expansion: 1, kernel: 3, dilations: [1, 2]}
training: {epochs: 8, steps_per_epoch: 5, batch_size: 8, averaging: 0.5, lr: 0.01}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command left: its status, standard output and standard error."""

    status: int
    output: str
    errors: str

    @property
    def error(self) -> str:
        """The one line that says what was wrong; nothing else than log lines may stand beside it."""
        assert "Traceback" not in self.errors, self.errors
        lines = [line for line in self.errors.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and self.errors.endswith(lines[0] + "\n"), self.errors
        return lines[0]


Command = Callable[..., Outcome]


def _run(*arguments: object) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    logger = logging.getLogger("energy_dissagregation_mlops")
    before = logger.level, logger.handlers, logger.propagate
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
            terminal.run(app, [str(each) for each in arguments])
    finally:
        level, logger.handlers, logger.propagate = before
        logger.setLevel(level)
    status = left.value.code
    assert isinstance(status, int)
    return Outcome(status=status, output=out.getvalue(), errors=err.getvalue())


@pytest.fixture(scope="session")
def edmlops() -> Command:
    """Run the command in this process."""
    return _run


Process = subprocess.Popen[str]


def _start(*arguments: object, group: bool = False) -> Process:
    # A shell starts background jobs with Ctrl-C ignored: a terminal does not, nor does this.
    return subprocess.Popen(
        [sys.executable, "-m", "energy_dissagregation_mlops", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), start_new_session=group,
    )  # fmt: skip


@pytest.fixture(scope="session")
def start() -> Callable[..., Process]:
    """Start the command as a process of its own."""
    return _start


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Three homes of four days, processed, and a tiny model of the first two."""

    root: Path
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def raw(self) -> Path:
        return self.root / "data" / "raw" / "simulated.h5"

    @property
    def store(self) -> Path:
        return self.root / "data" / "processed"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def config(self) -> Path:
        return self.root / "tiny.yaml"


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Made once by the commands themselves; tests look at it and change copies only."""
    made = Pipeline(root=tmp_path_factory.mktemp("pipeline"))
    made.config.write_text(TINY)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as many as the processes that are compared with it
    with pytest.MonkeyPatch.context() as patch:
        _use(patch, made.root)
        for arguments in (
            ("simulate", "--houses", 3, "--days", 4),
            ("preprocess",),
            ("train", "--config", made.config),
        ):
            made.outcomes[arguments[0]] = _run(*arguments)
    yield made
    torch.set_num_threads(threads)


def _use(patch: pytest.MonkeyPatch, root: Path) -> None:
    for name in ("TRAIN_EPOCHS", "TRAIN_BATCH_SIZE", "TRAIN_LR", "CONFIGS_PATH", "COLUMNS", "FORCE_COLOR"):
        patch.delenv(name, raising=False)
    patch.setenv("DATA_PATH", str(root / "data"))
    patch.setenv("MODELS_PATH", str(root / "models"))


@pytest.fixture
def trained(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The pipeline, in the environment of this test."""
    _use(monkeypatch, pipeline.root)
    return pipeline


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where there is nothing yet, in the environment of this test."""
    _use(monkeypatch, tmp_path)
    return tmp_path
