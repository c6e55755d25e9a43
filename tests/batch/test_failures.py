"""What goes wrong in the middle of a run: it ends with the right tables, or says what to do, and goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pyarrow.parquet as pq
import pytest
from many_homes import home, names, tree, write_rows

from energy_dissagregation_mlops.batch.run import Manifest
from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry

if TYPE_CHECKING:
    from conftest import Processes  # type: ignore[import-not-found]

pytestmark = pytest.mark.slow

Score = Callable[..., Manifest]
PATIENCE = 90.0  # s; the machine may be busy


def wait_for(what: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Until ``what`` is true, while the process runs."""
    until = time.monotonic() + PATIENCE
    while not what():
        assert process is None or process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)


def begun(output: Path, buckets: int = 2) -> Callable[[], bool]:
    """Whether some of the buckets are done."""
    return lambda: len(list((output / "_run" / "done").glob("0*.json"))) >= buckets


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said = process.communicate(timeout=PATIENCE)[0]
    return process.returncode, said


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Homes enough to be stopped among: 16 buckets of some tenths of a second."""
    return write_rows(tmp_path_factory.mktemp("homes") / "in", [home(name, days=10) for name in names(48)])


@pytest.fixture(scope="module")
def kept() -> dict[str, bytes]:
    """What was left, from one test to the next."""
    return {}


@pytest.fixture
def whole(score: Score, source: Path, kept: dict[str, bytes], tmp_path: Path) -> dict[str, bytes]:
    """What a run leaves that nothing befell."""
    if not kept:
        score(source, tmp_path / "whole", power=True)
        kept |= tree(tmp_path / "whole")
    return kept


@pytest.fixture
def cluster(commands: Processes) -> tuple[str, subprocess.Popen[str], list[subprocess.Popen[str]]]:
    """A scheduler and two workers, as they run on machines of their own: address, scheduler, workers."""
    scheduler = commands.start(
        "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard"
    )
    assert scheduler.stdout is not None
    lines = iter(scheduler.stdout.readline, "")
    address = next(found[0] for line in lines if (found := re.search(r"tcp://\S+:\d+", line)))
    workers = [
        commands.start(
            "distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", 1, "--no-dashboard",
            "--host", "127.0.0.1", "--death-timeout", 10,
        )
        for _ in range(2)
    ]  # fmt: skip
    return address, scheduler, workers


def test_a_worker_is_killed_on_this_machine(
    commands: Processes, source: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    run = commands.batch(source, tmp_path / "out", "--power", "--workers", 2)
    wait_for(begun(tmp_path / "out"), run)
    workers_of(run)[0].kill()
    status, said = ended(run)
    assert status == 0, said
    assert tree(tmp_path / "out") == whole


def test_a_worker_of_a_cluster_is_killed(
    commands: Processes,
    cluster: tuple[str, subprocess.Popen[str], list[subprocess.Popen[str]]],
    source: Path,
    whole: dict[str, bytes],
    tmp_path: Path,
) -> None:
    address, _, workers = cluster
    run = commands.batch(source, tmp_path / "out", "--power", "--scheduler", address)
    wait_for(begun(tmp_path / "out"), run)
    workers[0].kill()
    status, said = ended(run)
    assert status == 0, said
    assert tree(tmp_path / "out") == whole


def test_the_scheduler_is_killed_and_the_run_is_gone_on_with(
    commands: Processes,
    cluster: tuple[str, subprocess.Popen[str], list[subprocess.Popen[str]]],
    source: Path,
    whole: dict[str, bytes],
    tmp_path: Path,
) -> None:
    address, scheduler, workers = cluster
    run = commands.batch(source, tmp_path / "out", "--power", "--scheduler", address)
    wait_for(begun(tmp_path / "out"), run)
    scheduler.kill()
    status, said = ended(run)
    assert status == 1, said
    assert said.strip().splitlines()[-1].startswith("error: the connection to the scheduler was lost"), said
    assert not (tmp_path / "out" / "manifest.json").exists()
    for worker in workers:
        worker.kill()
        worker.wait()
    status, said = ended(commands.batch(source, tmp_path / "out", "--power", "--workers", 1))
    assert status == 0, said
    assert tree(tmp_path / "out") == whole


def test_a_run_that_is_killed_goes_on_with_the_model_that_it_began_with(
    commands: Processes,
    registry: Registry,
    make_bundle: Callable[[], Bundle],
    source: Path,
    whole: dict[str, bytes],
    tmp_path: Path,
) -> None:
    output = tmp_path / "out"
    run = commands.batch(source, output, "--power", "--workers", 1)
    wait_for(begun(output), run)
    workers = workers_of(run)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    wait_for(lambda: not any(worker.is_running() for worker in workers))
    left = list(output.rglob("part.parquet"))
    assert left and all(pq.read_table(file).num_rows for file in left)  # nothing half-written is to be seen
    registry.promote(make_bundle().card.reference)
    again = commands.batch(source, output, "--power", "--workers", 1)
    status, said = ended(again)
    assert status == 0, said
    assert "of 16 buckets were done before" in said
    assert tree(output) == whole


def test_a_model_is_promoted_in_the_middle(
    commands: Processes,
    registry: Registry,
    make_bundle: Callable[[], Bundle],
    source: Path,
    whole: dict[str, bytes],
    tmp_path: Path,
) -> None:
    run = commands.batch(source, tmp_path / "out", "--power", "--workers", 1)
    wait_for(begun(tmp_path / "out"), run)
    registry.promote(make_bundle().card.reference)
    status, said = ended(run)
    assert status == 0, said
    assert tree(tmp_path / "out") == whole


def test_a_second_run_at_once_is_refused(
    commands: Processes, source: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    run = commands.batch(source, tmp_path / "out", "--power", "--workers", 1)
    wait_for(begun(tmp_path / "out"), run)
    run.send_signal(signal.SIGSTOP)  # so that it is not done before the second has begun
    status, said = ended(commands.batch(source, tmp_path / "out", "--power"))
    run.send_signal(signal.SIGCONT)
    assert status == 1
    assert f"is being written by another run (process {run.pid} on" in said
    assert ended(run)[0] == 0
    assert tree(tmp_path / "out") == whole


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_told_and_the_run_is_gone_on_with(
    commands: Processes, small_disk: Path, source: Path, whole: dict[str, bytes]
) -> None:
    output = small_disk / "out"
    status, said = ended(commands.batch(source, output, "--power", "--workers", 2))
    assert status == 1
    assert said.strip().splitlines()[-1].startswith("error: the disk is full"), said
    assert not list(output.rglob("*.partial"))
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    status, said = ended(commands.batch(source, output, "--power", "--workers", 2))
    assert status == 0, said
    assert tree(output) == whole
