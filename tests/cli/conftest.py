"""The command, run in this process or in one of its own, and one pipeline that many tests look at."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # command

from command import Outcome, run, run_until_interrupted

TINY = """\
name: tiny
network_options: {window_length: 256, width: 8, skip_width: 8, expansion: 1, kernel: 3, dilations: [1, 2]}
training: {epochs: 8, steps_per_epoch: 5, batch_size: 8, averaging: 0.5, lr: 0.01}
"""


Command = Callable[..., Outcome]


@pytest.fixture(scope="session")
def edmlops() -> Command:
    """Run the command in this process."""
    return run


@pytest.fixture(scope="session")
def edmlops_interrupted() -> Command:
    """Run the command with Ctrl-C once it has worked for so many seconds, in a process of its own.

    What is raised between any two steps of Python can leave a library's lock taken, so not in a process that goes on.
    """
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(["pytest", "torch", "energy_dissagregation_mlops.cli"])

    def interrupted(seconds: float, *arguments: object) -> Outcome:
        answers, answer = forkserver.Pipe(duplex=False)
        told = answer, seconds, dict(os.environ), [str(each) for each in arguments]
        process = forkserver.Process(target=run_until_interrupted, args=told)
        process.start()
        answer.close()
        try:
            return answers.recv()
        except EOFError:  # it ended without a word
            process.join()
            return Outcome(status=process.exitcode, output="", errors="")
        finally:
            process.join()
            process.close()
            answers.close()

    return interrupted


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
            ("train", "--config", made.config, "--promote"),  # however good it is
        ):
            made.outcomes[arguments[0]] = run(*arguments)
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
