"""Runs in processes of their own: killed and resumed, and several as one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_run import CONFIG, homes, tiny_network

from energy_dissagregation_mlops.training.loop import fit

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


@pytest.fixture
def one_thread():
    """As many as the script uses: sums in another order have other last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def uninterrupted(folder, *, dropout):
    network = tiny_network(dropout=dropout)
    return fit(network, homes(), CONFIG, checkpoint=folder / "whole.pt").network.state_dict()


@pytest.mark.usefixtures("one_thread")
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(tmp_path):
    kill_at(10, command(tmp_path))  # before any checkpoint
    kill_at(50, command(tmp_path, "--resume"))
    assert not (tmp_path / "weights.pt").exists()
    run(*command(tmp_path, "--resume"))
    expected, found = uninterrupted(tmp_path, dropout=0.1), weights(tmp_path)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.usefixtures("one_thread")
def test_two_processes_find_the_weights_of_one(tmp_path):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run(*launcher, *command(tmp_path, "--dropout", "0"))
    expected, found = uninterrupted(tmp_path, dropout=0.0), weights(tmp_path)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-5)
