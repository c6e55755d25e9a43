"""Ctrl-C before a command has begun, and after it is done."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

ENTRY = "energy_dissagregation_mlops.__main__"
INTERRUPTED = "error: interrupted: nothing was left half-written; run it again to go on\n"


def run(script: str, *, before: signal.Handlers | None = None) -> subprocess.CompletedProcess[str]:
    """A script in a process of its own; with Ctrl-C ignored, where that is asked for, as in a background job."""
    ignored = before is signal.SIG_IGN
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL),
    )  # fmt: skip


@pytest.mark.parametrize(
    "script",
    [
        f"import signal, {ENTRY}; signal.raise_signal(signal.SIGINT)",
        # While the commands are imported.
        f"""
import signal, sys
class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "typer":
            signal.raise_signal(signal.SIGINT)
import {ENTRY} as entry
sys.meta_path.insert(0, Interrupting())
entry.main()
""",
        # While Python leaves.
        f"""
import atexit, signal, sys
import {ENTRY} as entry
atexit.register(signal.raise_signal, signal.SIGINT)
sys.argv = ["edmlops", "models", "--help"]
entry.main()
""",
    ],
    ids=["at once", "while importing", "while leaving"],
)
def test_ctrl_c_outside_a_command_ends_it_by_the_signal_in_silence(script):
    made = run(script)
    assert (made.returncode, made.stderr) == (-signal.SIGINT, "")


def test_ctrl_c_within_a_command_is_told():
    made = run(f"""
import signal
import {ENTRY} as entry
from energy_dissagregation_mlops.results import models
models.show_models = lambda *_, **__: signal.raise_signal(signal.SIGINT)
import sys
sys.argv = ["edmlops", "models", "list"]
entry.main()
""")
    assert (made.returncode, made.stdout, made.stderr) == (130, "", INTERRUPTED)


def test_where_ctrl_c_is_ignored_it_stays_so():
    script = f"""
import signal, sys
import {ENTRY} as entry
signal.raise_signal(signal.SIGINT)
sys.argv = ["edmlops", "--version"]
entry.main()
"""
    assert run(script, before=signal.SIG_IGN).returncode == 0


@pytest.mark.slow
def test_ctrl_c_at_any_moment_of_the_start_never_reaches_the_commands_unheard():
    """What is left with a traceback is Python's own start, before a line of this package is run."""
    unheard = 0
    for milliseconds in range(0, 410, 20):
        process = subprocess.Popen(
            [sys.executable, "-m", "energy_dissagregation_mlops", "models", "list"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        if "KeyboardInterrupt" in errors:
            unheard += 1
            assert "typer" not in errors and "cli.py" not in errors and "terminal.py" not in errors, errors
        else:
            assert process.returncode in (0, 1, 130, -signal.SIGINT)
            assert errors == "" or (errors.startswith("error: ") and errors.count("\n") == 1), errors
    assert unheard < 21 / 2
