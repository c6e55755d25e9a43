"""MLflow's page in a container: what it shows of a training that ran in one, and what it may not do."""

from __future__ import annotations

import http.client
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Project  # type: ignore[import-not-found]

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1500)]

Inspect = Callable[[str], dict[str, Any]]
RUN = """
name: tiny
network_options: {window_length: 1024}
training: {epochs: 1, steps_per_epoch: 2, batch_size: 4}
"""
STORE = "/app/models/.runs/runs.db"


def ask(project: Project, path: str, body: dict[str, Any] | None = None) -> str:
    """What the page's server answers, to a question in JSON where there is one."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{project.environment['TRACKING_PORT']}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return str(response.read().decode())


@pytest.fixture(scope="module")
def shown(project: Project, inspect: Inspect) -> Project:
    """The project with a training on record and its page up."""
    project.compose("up", "--detach", "tracking")
    container = project.container("tracking")
    project.wait_for(
        lambda: "waiting for the first training" in project.compose("logs", "tracking").stdout,
        "what the page waits for", seconds=60,
    )  # fmt: skip
    project.cli("edmlops", "simulate", "--houses", "5", "--days", "5")
    project.cli("edmlops", "preprocess")
    project.cli("sh", "-c", f"echo '{RUN}' > /app/data/tiny.yaml")
    project.compose("run", "--rm", "-T", "train", "train", "--config", "/app/data/tiny.yaml")
    project.wait_for(
        lambda: inspect(container)["State"]["Health"]["Status"] == "healthy", "the page's health", seconds=300
    )
    return project


def test_the_page_and_its_api_show_the_run(shown: Project) -> None:
    assert "<title>MLflow</title>" in ask(shown, "/")
    found = json.loads(ask(shown, "/api/2.0/mlflow/experiments/search", {"max_results": 10}))["experiments"]
    identity = {each["name"]: each["experiment_id"] for each in found}["tiny"]
    runs = json.loads(ask(shown, "/api/2.0/mlflow/runs/search", {"experiment_ids": [identity]}))["runs"]
    (run,) = runs
    tags = {each["key"]: each["value"] for each in run["data"]["tags"]}
    assert run["info"]["status"] == "FINISHED" and tags["edmlops.bundle"] == "tiny@1"
    assert {"loss", "score"} <= {each["key"] for each in run["data"]["metrics"]}
    asked = urllib.parse.urlencode({"path": "run.yaml", "run_uuid": run["info"]["run_id"]})
    assert "name: tiny" in ask(shown, f"/get-artifact?{asked}")


def test_the_page_changes_nothing(shown: Project) -> None:
    before = shown.cli("sha256sum", STORE).split()[-2]
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(shown, "/api/2.0/mlflow/experiments/create", {"name": "more"})
    refused.value.close()
    done = shown.compose("exec", "-T", "tracking", "touch", "/app/models/new", "/opt/new", check=False)
    assert done.returncode != 0 and done.stdout.count("Read-only file system") == 2
    assert shown.cli("sha256sum", STORE).split()[-2] == before


def test_the_page_answers_to_this_host_alone_and_to_its_names(shown: Project, inspect: Inspect) -> None:
    ports = inspect(shown.container("tracking"))["NetworkSettings"]["Ports"]
    port = shown.environment["TRACKING_PORT"]
    assert ports == {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}
    for host, status in [(f"localhost:{port}", 200), ("10.example.org", 403), ("example.org", 403)]:
        with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)) as connection:
            connection.request("GET", "/", headers={"Host": host})
            with connection.getresponse() as response:
                assert response.status == status, host


def test_the_page_tells_nobody_of_its_use(shown: Project) -> None:
    program = "from mlflow.telemetry.utils import is_telemetry_disabled as off; print(off())"
    assert shown.compose("exec", "-T", "tracking", "python", "-c", program).stdout.split()[-1] == "True"
    assert json.loads(ask(shown, "/ajax-api/3.0/mlflow/ui-telemetry"))["disable_ui_telemetry"] is True


def test_no_process_of_the_page_is_root(shown: Project) -> None:
    top = ["docker", "top", shown.container("tracking"), "-o", "pid,uid"]
    shown_by_engine = subprocess.run(top, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in shown_by_engine.splitlines()[1:]} == {"10001"}
