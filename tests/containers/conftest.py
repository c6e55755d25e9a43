"""The engine, the images built on it, and services of their own for a test module.

Where no engine answers these tests are skipped with the reason, unless REQUIRE_CONTAINERS is set: then they fail.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TAG = "test"
NAMES = ("api", "train", "cli", "dev", "tracking")
PROFILES = tuple(f"--profile={name}" for name in ("training", "nodes", "cli", "cluster", "dev", "tracking"))


def run(*command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command; where it fails, show what it said."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}"
    return done


@pytest.fixture(scope="session")
def engine() -> None:
    if shutil.which("docker") is None:
        reason = "there is no docker here"
    elif (
        run("docker", "info", check=False).returncode
        or run("docker", "compose", "version", check=False).returncode
    ):
        reason = "no engine with Compose answers here"
    else:
        return
    (pytest.fail if os.environ.get("REQUIRE_CONTAINERS") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def images(engine: None) -> dict[str, str]:
    """The services' images, built as Compose builds them; their references by service."""
    environment = os.environ | {"TAG": TAG, "VERSION": "9.8.7", "REVISION": "abc123", "SOURCE": "here"}
    run("docker", "compose", *PROFILES, "build", *NAMES, cwd=ROOT, env=environment)
    return {name: f"energy-disaggregation-{name}:{TAG}" for name in NAMES}


def inspected(reference: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("docker", "inspect", reference).stdout)[0]
    return found


@pytest.fixture(scope="session")
def inspect() -> Callable[[str], dict[str, Any]]:
    return inspected


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Services with a name, a port and volumes of their own."""

    name: str
    port: int
    root: Path
    environment: dict[str, str]

    def compose(
        self, *arguments: str, check: bool = True, given: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `docker compose` with these arguments and this input, and with variables beside the project's."""
        return run(
            "docker", "compose", *PROFILES, *arguments, cwd=self.root, env=self.environment | more,
            check=check, input=given,
        )  # fmt: skip

    def cli(self, *command: str, check: bool = True, given: str = "", **more: str) -> str:
        """Run a command in the cli service; what it said."""
        return self.compose("run", "--rm", "-T", "cli", *command, check=check, given=given, **more).stdout

    def begin(self, *command: str) -> subprocess.Popen[str]:
        """Start a command beside the test, in the project's environment; what it says can be read as it comes."""
        return subprocess.Popen(
            command, cwd=self.root, env=self.environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def container(self, service: str) -> str:
        """A service's first container, stopped ones too."""
        return self.containers(service)[0]

    def containers(self, service: str) -> list[str]:
        """All containers of a service, stopped ones too."""
        return self.compose("ps", "--all", "--quiet", service).stdout.split()

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as response:
            return dict(json.load(response))

    def disaggregate(self, power: list[float], **options: Any) -> dict[str, Any]:
        """Ask over the published port about minutes of power in W."""
        body = json.dumps({"start": 1_717_200_000, "sample_period": 60, "power": power, **options}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/disaggregate", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=300) as response:
            return dict(json.load(response))

    def wait_for(self, true: Callable[[], bool], what: str, *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, (
                f"{what}: not after {seconds} s\n{self.compose('logs').stdout[-3000:]}"
            )
            time.sleep(0.3)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def project(images: dict[str, str]) -> Iterator[Project]:
    name, port = f"test-{uuid.uuid4().hex[:8]}", free_port()
    environment = os.environ | {
        "COMPOSE_PROJECT_NAME": name, "API_PORT": str(port), "DASHBOARD_PORT": str(free_port()),
        "TRACKING_PORT": str(free_port()), "API_WORKERS": "2", "TAG": TAG, "GPU": "0",
        "TRAIN_COMMAND": "train --resume --promote --config /app/data/tiny.yaml",
        "TRAIN_EPOCHS": "", "TRAIN_BATCH_SIZE": "", "TRAIN_LR": "",
    }  # fmt: skip
    made = Project(name=name, port=port, root=ROOT, environment=environment)
    try:
        yield made
    finally:
        made.compose("down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)


@pytest.fixture(scope="module")
def served(project: Project) -> Project:
    """The project with its api up and healthy."""
    project.compose("up", "--detach", "--wait", "api")
    return project
