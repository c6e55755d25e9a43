"""The command as a function, and what it leaves; for tests, and for processes that tests start."""

from __future__ import annotations

import io
import logging
import os
import signal
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.connection import Connection

import pytest
import torch

from energy_dissagregation_mlops import terminal
from energy_dissagregation_mlops.cli import app


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


def run(*arguments: object) -> Outcome:
    """Run the command in this process."""
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


def run_until_interrupted(
    answer: Connection, seconds: float, environment: dict[str, str], arguments: list[str]
) -> None:
    """Run the command as ``edmlops`` does, in a process that is there for it: SIGINT once it has worked so long.

    By its own working time, so at the same point however busy the machine is. Outside the command the signal ends
    the process without a word, as it does in a terminal.
    """
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)  # as many as the processes that are compared with it
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    outcome = run(*arguments)
    signal.setitimer(signal.ITIMER_PROF, 0)
    answer.send(outcome)
