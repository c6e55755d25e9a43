"""Runs in processes of their own: killed and resumed, and several as one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name("tiny_run.py")
pytestmark = pytest.mark.slow


def command(folder, *options):
    return [
        str(SCRIPT),
        "--checkpoint",
        str(folder / "run.pt"),
        "--weights",
        str(folder / "weights.pt"),
        *options,
    ]


def run(*arguments):
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True, timeout=120)


def weights(folder):
    return torch.load(folder / "weights.pt", weights_only=True)


def kill_at(step, arguments):
    """Start a run, and kill it as soon as it tells of this step."""
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line == f"step {step}\n":
                os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(*command(whole))
    kill_at(10, command(killed))  # before any checkpoint
    kill_at(30, command(killed, "--resume"))
    kill_at(50, command(killed, "--resume"))
    assert not (killed / "weights.pt").exists()
    run(*command(killed, "--resume"))
    expected, found = weights(whole), weights(killed)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_two_processes_find_the_weights_of_one(tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    run(*command(alone, "--dropout", "0"))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run(*launcher, *command(together, "--dropout", "0"))
    expected, found = weights(alone), weights(together)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-5)
