"""Several containers at one task: homes scored by a cluster, and a training that two share."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Project  # type: ignore[import-not-found]

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1500)]

Inspect = Callable[[str], dict[str, Any]]
WORKERS = 2
HOMES = (ROOT / "tests" / "batch" / "many_homes.py").read_text() + (
    'write_files(Path("/app/data/homes"), [home(f"h{number}", days=7) for number in range(32)])\n'
)
RUN = """
network_options: {window_length: 1024}
training: {epochs: 5, steps_per_epoch: 8, batch_size: 4}
"""
COMPARE = """
import torch
one, two = (torch.load(f"/app/models/{name}/1/best.pt", weights_only=True) for name in ("one", "two"))
assert one.keys() == two.keys()
for name in one:
    torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-5)
print("equal")
"""


@pytest.fixture(scope="module")
def cluster(project: Project) -> Project:
    """The project with a scheduler and workers up and healthy."""
    project.compose("up", "--detach", "--wait", "--scale", f"worker={WORKERS}", "scheduler", "worker")
    return project


def dashboard(project: Project, page: str) -> str:
    address = f"http://127.0.0.1:{project.environment['DASHBOARD_PORT']}/{page}"
    with urllib.request.urlopen(address, timeout=30) as response:
        return str(response.read().decode())


def num_workers(project: Project) -> int | None:
    """How many the scheduler knows; None where it can't say: Dask's page fails for a moment when one goes."""
    try:
        return len(json.loads(dashboard(project, "json/identity.json"))["workers"])
    except urllib.error.HTTPError:
        return None


def test_workers_join_by_the_schedulers_name_with_their_own_share(cluster: Project) -> None:
    workers = json.loads(dashboard(cluster, "json/identity.json"))["workers"].values()
    assert len({each["host"] for each in workers}) == WORKERS
    assert {each["nthreads"] for each in workers} == {1}
    assert all(0.85 * 2**31 < each["memory_limit"] < 0.95 * 2**31 for each in workers)


def test_the_dashboard_is_drawn_for_this_host_alone(cluster: Project, inspect: Inspect) -> None:
    assert "bokeh.min.js" in dashboard(cluster, "status")
    assert "Bokeh" in dashboard(cluster, "static/js/bokeh.min.js")
    for service in ("scheduler", "worker"):
        ports = inspect(cluster.container(service))["NetworkSettings"]["Ports"]
        published = {port: [each["HostIp"] for each in hosts] for port, hosts in ports.items() if hosts}
        assert published == ({"8787/tcp": ["127.0.0.1"]} if service == "scheduler" else {})


@pytest.mark.parametrize("service", ["scheduler", "worker"])
def test_a_process_of_the_cluster_is_not_root_and_holds_no_models(
    cluster: Project, inspect: Inspect, service: str
) -> None:
    found = inspect(cluster.container(service))
    shown = subprocess.run(
        ["docker", "top", found["Id"], "-o", "pid,uid"], capture_output=True, text=True, check=True
    )
    assert {each.split()[1] for each in shown.stdout.splitlines()[1:]} == {"10001"}
    mounts = {each["Destination"] for each in found["Mounts"] if each["Type"] == "volume"}
    assert mounts == ({"/app/data"} if service == "worker" else set())
    assert found["State"]["Health"]["Status"] == "healthy"


def test_a_worker_killed_in_the_middle_leaves_the_tables_of_a_local_run(
    cluster: Project, inspect: Inspect
) -> None:
    cluster.cli("python", "-", given=HOMES)
    killed, other = cluster.containers("worker")
    done = ["docker", "exec", other, "sh", "-c", "ls /app/data/scored/_run/done 2>/dev/null | wc -l"]
    with cluster.begin(
        "docker", "compose", "run", "--rm", "-T", "cli", "edmlops", "batch", "/app/data/homes",
        "--output", "/app/data/scored", "--scheduler", "tcp://scheduler:8786", "--power",
    ) as scoring:  # fmt: skip
        cluster.wait_for(lambda: int(subprocess.check_output(done)) >= 2, "the first buckets", seconds=300)
        subprocess.run(["docker", "kill", killed], check=True, capture_output=True)
        assert scoring.stdout is not None
        said = scoring.stdout.read()
    assert scoring.returncode == 0, said
    assert not inspect(killed)["State"]["Running"]
    cluster.wait_for(lambda: num_workers(cluster) == WORKERS - 1, "the scheduler to miss one", seconds=60)
    cluster.cli("edmlops", "batch", "/app/data/homes", "--output", "/app/data/local", "--power")
    cluster.cli(
        "diff", "-r", "--exclude=.lock", "/app/data/scored", "/app/data/local"
    )  # fails where they differ
    assert int(cluster.cli("sh", "-c", "find /app/data/scored -name '*.parquet' | wc -l").split()[-1]) > 16


def test_the_target_scores_homes_in_one_command_and_takes_the_cluster_down(cluster: Project) -> None:
    cluster.cli("python", "-", given=HOMES.replace("/homes", "/few").replace("range(32)", "range(3)"))
    target = ["make", "-f", "Makefile.docker", "batch", "INPUT=/app/data/few", "WORKERS=1"]
    with cluster.begin(*target, "OUTPUT=/app/data/few_scored") as made:
        assert made.stdout is not None
        said = made.stdout.read()
    assert made.returncode == 0, said
    assert "homes scored" in said and f"127.0.0.1:{cluster.environment['DASHBOARD_PORT']}/status" in said
    assert cluster.containers("worker") == cluster.containers("scheduler") == []


def test_two_containers_one_of_which_was_killed_find_the_weights_of_one(project: Project) -> None:
    project.cli("sh", "-c", f"echo '{RUN}' > /app/data/tiny.yaml")
    project.cli("edmlops", "simulate", "--houses", "3", "--days", "4")
    project.cli("edmlops", "preprocess", "--data-path", "/app/data/raw/simulated.h5")
    project.compose("run", "--rm", "-T", "train", "train", "--config", "/app/data/tiny.yaml", "--name", "one")
    arguments = "ARGS=--resume --config /app/data/tiny.yaml --name two"
    target = ["make", "-f", "Makefile.docker", "train", "NODES=2", arguments]

    with project.begin(*target) as first:
        assert first.stdout is not None
        said = ""
        for line in first.stdout:
            said += line
            if "epoch 2 of" in line:  # the first is told before its checkpoint is written
                killed = time.monotonic()
                subprocess.run(["docker", "kill", f"{project.name}-node-2"], check=True, capture_output=True)
    assert first.returncode != 0 and "another process of this training is gone" in said, said
    assert time.monotonic() - killed < 60
    assert "two@1" not in said
    assert f"training failed in {project.name}-node-1 with status 1, {project.name}-node-2" in said

    with project.begin(*target) as second:
        assert second.stdout is not None
        said = second.stdout.read()
    assert second.returncode == 0 and "resumed from" in said and "two@1" in said, said
    assert said.count("training on simulated:1") == 1
    assert project.containers("node") == []
    compared = project.compose("run", "--rm", "-T", "--entrypoint", "python", "train", "-", given=COMPARE)
    assert compared.stdout.split()[-1] == "equal"
