"""Runs in processes of their own: killed and resumed, and several as one."""

import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_run import CONFIG, homes, tiny_network

from energy_dissagregation_mlops.training.distributed import joined
from energy_dissagregation_mlops.training.loop import fit

SCRIPT = Path(__file__).with_name("tiny_run.py")


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


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(tmp_path):
    kill_at(10, command(tmp_path))  # before any checkpoint
    kill_at(50, command(tmp_path, "--resume"))
    assert not (tmp_path / "weights.pt").exists()
    run(*command(tmp_path, "--resume"))
    expected, found = uninterrupted(tmp_path, dropout=0.1), weights(tmp_path)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_two_processes_find_the_weights_of_one(tmp_path):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run(*launcher, *command(tmp_path, "--dropout", "0"))
    expected, found = uninterrupted(tmp_path, dropout=0.0), weights(tmp_path)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-5)


def together(arguments):
    """Start two processes that train as one, as torchrun does, without anyone who stops one when the other ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("killed", [0, 1])
def test_when_one_of_two_processes_is_killed_the_other_says_so_and_both_go_on_later(tmp_path, killed):
    arguments = command(tmp_path, "--dropout", "0")
    processes = together(arguments)
    # Only the first tells of its steps.
    assert any(line == "step 50\n" for line in processes[0].stdout)
    processes[killed].kill()
    said = processes[1 - killed].communicate(timeout=120)[1]
    processes[killed].communicate()
    assert processes[1 - killed].returncode == 1
    assert "EdmlopsError: another process of this training is gone" in said.strip().splitlines()[-1]
    assert not (tmp_path / "weights.pt").exists()
    for process in together([*arguments, "--resume"]):
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
    expected, found = uninterrupted(tmp_path, dropout=0.0), weights(tmp_path)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("build", "says"), [("13.0", True), (None, False)])
def test_a_build_for_gpus_says_where_it_trains_without_one(monkeypatch, caplog, build, says):
    monkeypatch.setattr(torch.version, "cuda", build)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with caplog.at_level(logging.INFO), joined() as process:
        assert process.device.type == "cpu"
    assert ("training on the CPU" in caplog.text) == says
