"""The services as Compose runs them: what they answer, what they may not do, and how they stop and go on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from energy_dissagregation_mlops import settings

if TYPE_CHECKING:
    from conftest import Project  # type: ignore[import-not-found]

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1500)]

Inspect = Callable[[str], dict[str, Any]]
RUN = """
network_options: {window_length: 1024}
training: {epochs: 8, steps_per_epoch: 8, batch_size: 4}
"""
KETTLE = [100.0] * 30 + [2900.0, 2880.0, 2900.0] + [100.0] * 30


def test_the_api_answers_over_the_published_port_before_anything_is_trained(served: Project) -> None:
    health = served.get("/health")
    answer = served.disaggregate(KETTLE)
    assert health["bundle"] == f"{answer['bundle']['name']}@{answer['bundle']['version']}"
    assert answer["num_samples"] == len(KETTLE)
    assert answer["appliances"]["kettle"]["energy_kwh"] > 0.05


def test_only_the_api_publishes_a_port_and_only_to_this_host(served: Project, inspect: Inspect) -> None:
    ports = inspect(served.container("api"))["NetworkSettings"]["Ports"]
    published = {port: [each["HostIp"] for each in hosts] for port, hosts in ports.items() if hosts}
    assert published == {f"{served.port}/tcp": ["127.0.0.1"]}


def test_services_reach_each_other_by_name_on_the_bridge(served: Project) -> None:
    program = "import os, urllib.request as u; print(u.urlopen(os.environ['API_URL'] + '/health').status)"
    assert served.cli("python", "-c", program).split()[-1] == "200"
    program = "import socket; print(socket.gethostbyname('api'))"
    assert served.cli("python", "-c", program).split()[-1].count(".") == 3


def test_no_process_of_the_api_is_root_or_may_become_it(served: Project) -> None:
    container = served.container("api")
    shown = subprocess.run(
        ["docker", "top", container, "-o", "pid,uid"], capture_output=True, text=True, check=True
    )
    assert {each.split()[1] for each in shown.stdout.splitlines()[1:]} == {"10001"}
    status = served.compose("exec", "-T", "api", "cat", "/proc/self/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


@pytest.mark.parametrize(
    "path", ["/app/models/new", "/app/configs/new", "/opt/venv/new", "/app/new", "/etc/new"]
)
def test_the_api_writes_neither_models_nor_its_own_root(served: Project, path: str) -> None:
    done = served.compose("exec", "-T", "api", "touch", path, check=False)
    assert done.returncode != 0 and "Read-only file system" in done.stdout


def test_the_api_has_limits_an_init_and_no_more_than_it_needs(served: Project, inspect: Inspect) -> None:
    host = inspect(served.container("api"))["HostConfig"]
    assert (host["Memory"], host["PidsLimit"], host["Init"], host["ReadonlyRootfs"]) == (
        2 << 30,
        512,
        True,
        True,
    )
    assert host["CapDrop"] == ["ALL"] and host["RestartPolicy"]["Name"] == "unless-stopped"


@pytest.mark.parametrize(("limit", "cores"), [("1", 1), ("0.5", 1), ("0", len(os.sched_getaffinity(0)))])
def test_a_limit_of_cores_sets_the_threads(served: Project, limit: str, cores: int) -> None:
    program = "from energy_dissagregation_mlops.cores import available_cores as c; print(c())"
    assert int(served.cli("python", "-c", program, CLI_CPUS=limit).split()[-1]) == cores


def test_a_limit_of_cores_sets_the_threads_of_torch(served: Project) -> None:
    program = "from energy_dissagregation_mlops.cores import set_up_threads as s; s(); import torch; print(torch.get_num_threads())"
    command = ["run", "--rm", "-T", "--entrypoint", "python", "train", "-c", program]
    assert int(served.compose(*command, TRAIN_CPUS="1").stdout.split()[-1]) == 1


def test_a_command_that_needs_torch_says_which_service_has_it(served: Project) -> None:
    done = served.compose("run", "--rm", "-T", "cli", "edmlops", "train", check=False)
    said = [line for line in done.stdout.splitlines() if "error:" in line]
    assert done.returncode == 1 and len(said) == 1 and "Traceback" not in done.stdout
    assert "--profile training run --rm train" in said[0]


def test_a_bind_mount_of_another_user_is_written_as_that_user(
    images: dict[str, str], project: Project, tmp_path: Path
) -> None:
    owner = (12345, 12346) if os.getuid() == 0 else (os.getuid(), os.getgid())
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, *owner)
    tmp_path.chmod(0o755)
    project.cli(
        "edmlops", "simulate", "--houses", "1", "--days", "1",
        DATA_VOLUME=str(folder), UID=str(owner[0]), GID=str(owner[1]),
    )  # fmt: skip
    made = folder / "raw" / "simulated.h5"
    assert (made.stat().st_uid, made.stat().st_gid) == owner


class Caller:
    """Asks again and again in a thread, and keeps what went wrong and who answered."""

    def __init__(self, project: Project) -> None:
        self.bundles: list[str] = []
        self.failures: list[str] = []
        self._project, self._stop = project, threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                answer = self._project.disaggregate(KETTLE)
                self.bundles.append(f"{answer['bundle']['name']}@{answer['bundle']['version']}")
            except OSError as error:
                self.failures.append(repr(error))
            time.sleep(0.05)

    def __enter__(self) -> Caller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=60)


def test_what_training_promotes_is_served_without_a_restart_even_when_it_was_killed_in_between(
    served: Project, inspect: Inspect
) -> None:
    served.cli("edmlops", "simulate", "--houses", "5", "--days", "5")
    served.cli("edmlops", "preprocess")
    served.cli("sh", "-c", f"echo '{RUN}' > /app/data/tiny.yaml")
    before, started = served.get("/health"), inspect(served.container("api"))["State"]["StartedAt"]
    with Caller(served) as caller:
        served.compose("up", "--detach", "train")
        train = served.container("train")
        logs = lambda: subprocess.run(["docker", "logs", train], capture_output=True, text=True).stderr  # noqa: E731
        served.wait_for(
            lambda: "epoch 2" in logs(), "the first checkpoint", seconds=600
        )  # it comes after its epoch's line
        subprocess.run(["docker", "kill", train], check=True, capture_output=True)
        assert "home@1" not in logs()

        served.compose("up", "--detach", "train")
        served.wait_for(lambda: not inspect(train)["State"]["Running"], "the end of training", seconds=900)
        assert inspect(train)["State"]["ExitCode"] == 0, logs()
        assert "resumed from" in logs()
        served.wait_for(lambda: served.get("/health")["bundle"] == "home@1", "the new bundle", seconds=60)
        num_before = len(caller.bundles)
        served.wait_for(lambda: len(caller.bundles) > num_before + 5, "more answers", seconds=60)
    assert caller.failures == []
    assert before["bundle"] != "home@1"
    assert set(caller.bundles) == {before["bundle"], "home@1"}
    assert inspect(served.container("api"))["State"]["StartedAt"] == started


def test_a_stop_under_load_loses_no_request_that_was_accepted(served: Project, inspect: Inspect) -> None:
    # With the limits that users have. A year and a half each, so that all are still being worked on when the signal
    # comes, and all are done within the grace period on a host that is busy with other things.
    answered: list[tuple[int, float]] = []
    asking = [
        threading.Thread(target=lambda: answered.append((num_days(served), time.monotonic())))
        for _ in range(2)  # as many as one worker takes, should it get them all
    ]
    for thread in asking:
        thread.start()
    served.wait_for(lambda: requests_in_progress(served) == len(asking), "all requests", seconds=60)
    began = time.monotonic()
    served.compose("stop", "api")
    assert time.monotonic() - began < inspect(served.container("api"))["Config"]["StopTimeout"]
    for thread in asking:
        thread.join(timeout=60)
    assert [days for days, _ in answered] == [556] * len(asking)
    assert min(at for _, at in answered) > began
    assert inspect(served.container("api"))["State"]["ExitCode"] == 0


def test_the_engine_waits_longer_than_the_api_drains_and_that_longer_than_a_request_may_take(
    project: Project,
) -> None:
    def seconds(**environment: str) -> tuple[float, float]:
        found = json.loads(project.compose("config", "--format", "json", **environment).stdout)["services"][
            "api"
        ]
        parts = dict.fromkeys("hms", 0.0) | {
            unit: float(number) for number, unit in re.findall(r"([\d.]+)([hms])", found["stop_grace_period"])
        }
        stop = 3600 * parts["h"] + 60 * parts["m"] + parts["s"]
        return stop, float(found["environment"]["API_GRACE_PERIOD"])

    assert seconds() == (70, 60)
    assert seconds(API_GRACE_PERIOD="100") == (110, 100)
    assert settings.API_GRACE_PERIOD.default >= settings.API_TIME_LIMIT.default


def num_days(project: Project) -> int:
    """Ask about 800,000 minutes, and for no more than sums; how many days were answered for."""
    return len(project.disaggregate([100.0, 2000.0] * 400_000, parts=["days"])["total"]["days"])


def requests_in_progress(project: Project) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{project.port}/metrics", timeout=30) as response:
        found = re.search(r"^edmlops_engine_requests (\S+)$", response.read().decode(), re.M)
    return int(float(found[1])) if found else 0


def test_the_demo_runs_from_a_clean_clone(images: dict[str, str], project: Project, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    environment = project.environment | {
        "COMPOSE_PROJECT_NAME": f"{project.name}-demo", "GPU": "0", "DEMO_HOUSES": "6", "DEMO_DAYS": "4",
        "DEMO_ARGS": "--epochs 1 --promote",
    }  # fmt: skip
    options = {"cwd": clone, "env": environment, "capture_output": True, "text": True}
    try:
        done = subprocess.run(["make", "-f", "Makefile.docker", "demo"], **options)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert "answers with demo@1" in done.stdout
        health = subprocess.run(["make", "-f", "Makefile.docker", "health"], **options)  # type: ignore[call-overload]
        assert json.loads(health.stdout.splitlines()[-1])["bundle"] == "demo@1"
    finally:
        subprocess.run(["make", "-f", "Makefile.docker", "prune", "YES=1", "TAG=gone"], **options)  # type: ignore[call-overload]


def test_targets_give_the_reason_where_the_api_does_not_start(project: Project) -> None:
    for target in ("up", "health"):
        with project.begin("make", "-f", "Makefile.docker", target, "API_KEY_FILE=/none") as asked:
            assert asked.stdout is not None
            said = asked.stdout.read()
        assert asked.returncode != 0
        assert "API_KEY_FILE is '/none'" in said and "Traceback" not in said, said
