"""The files themselves: nothing dead in the template of the environment, and what linters and schemas say."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from energy_dissagregation_mlops import settings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text() + (ROOT / "docker-compose.gpu.yml").read_text()
DOCKERFILES = [
    ROOT / "Dockerfile",
    ROOT / "Dockerfile.dev",
    *sorted((ROOT / "dockerfiles").glob("*.dockerfile")),
]
needs_make = pytest.mark.skipif(
    shutil.which("make") is None, reason="make is not installed, as in the dev image"
)
OF_PYTHON = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
OF_COMPOSE = {"COMPOSE_PROJECT_NAME"}
# Of the containers alone: volumes and ports lead to these, and another value would lead past them.
FIXED = {
    "API_HOST": "0.0.0.0", "DATA_PATH": "/app/data", "MODELS_PATH": "/app/models", "CONFIGS_PATH": "/app/configs",
}  # fmt: skip


def offered() -> set[str]:
    """The variables of .docker-env, those commented out too."""
    return set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".docker-env").read_text(), re.M))


def read_by_the_package() -> set[str]:
    return {each.name for each in vars(settings).values() if isinstance(each, settings.Variable)}


def interpolated() -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+)", COMPOSE)) - OF_COMPOSE


def handed_over() -> set[str]:
    """What Compose puts into a container's environment."""
    return set(re.findall(r"^ +([A-Z_]+):", COMPOSE, re.M)) & (read_by_the_package() | OF_PYTHON)


def test_no_variable_of_the_template_is_dead() -> None:
    heard = interpolated() | handed_over()
    assert offered() - heard == set()


def test_every_variable_that_compose_asks_for_is_in_the_template() -> None:
    assert interpolated() - offered() == set()


def test_every_setting_of_the_package_can_be_set_in_the_template_and_reaches_a_container() -> None:
    assert read_by_the_package() - offered() == set(FIXED)
    assert read_by_the_package() - handed_over() == set()


def test_what_volumes_and_ports_lead_to_cannot_be_set() -> None:
    for name, value in FIXED.items():
        assert set(re.findall(rf"^ +{name}: (\S+)", COMPOSE, re.M)) == {value}
    assert not set(FIXED) & (offered() | interpolated())


def test_what_a_training_is_told_reaches_it_only_where_somebody_set_it() -> None:
    for name in ("TRAIN_EPOCHS", "TRAIN_BATCH_SIZE", "TRAIN_LR"):
        assert re.findall(rf"^ +{name}:(.*)", COMPOSE, re.M) == [""], name
        assert not re.search(rf"^{name}=", (ROOT / ".docker-env").read_text(), re.M), name


class Keyed(BaseHTTPRequestHandler):
    """A service that asks for the key "s\u00e9same"."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers["Authorization"] == "Bearer s\u00e9same".encode().decode("latin-1")
        used = {"kettle": {"energy_kwh": 0.2}}
        answer = {
            "bundle": {"name": "demo", "version": "1"},
            "appliances": used,
            "other": {"energy_kwh": 1.0},
        }
        body = json.dumps(answer if known else {"detail": "send the key"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("key", "status"), [("s\u00e9same", 0), ("other", 1), ("", 1)])
def test_the_demos_question_brings_the_key_and_a_refusal_is_one_line(key: str, status: int) -> None:
    with HTTPServer(("127.0.0.1", 0), Keyed) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / "ask.py", "demo"], capture_output=True, text=True, timeout=60,
            env=os.environ | {"API_URL": f"http://127.0.0.1:{server.server_port}", "API_KEY": key},
        )  # fmt: skip
    assert done.returncode == status
    if status:
        assert done.stderr.startswith("error: http://127.0.0.1") and done.stderr.count("\n") == 1
        assert "401" in done.stderr and "send the key" in done.stderr
    else:
        assert "answers with demo@1" in done.stdout


def test_the_template_gives_the_values_that_the_package_and_compose_would_take() -> None:
    for line in (ROOT / ".docker-env").read_text().splitlines():
        name, separator, value = line.removeprefix("# ").partition("=")
        if separator and re.fullmatch("[A-Z_]+", name) and value and f"${{{name}" in COMPOSE:
            defaults = set(re.findall(rf"\$\{{{name}:?-([^}}]*)\}}", COMPOSE))
            assert value in defaults, name


def test_the_page_of_runs_is_of_the_version_that_records_them() -> None:
    def pinned(name: str) -> dict[str, str]:
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        return dict(line.split(" ;")[0].split("==") for line in lines if "==" in line and line[0] != "#")

    recording, showing = pinned("constraints.txt"), pinned("tracking.txt")
    assert showing["mlflow"] == showing["mlflow-skinny"] == recording["mlflow-skinny"]


@pytest.mark.parametrize("name", ["/.env", "/docker-compose.override.yml", "/api_key.txt"])
def test_ignored_by_git_is_what_is_a_users_own(name: str) -> None:
    assert name in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("word", ["version:", "container_name:"])
def test_compose_files_do_without_what_is_obsolete_or_hinders_a_second_project(word: str) -> None:
    assert not re.search(rf"^\s*{word}", COMPOSE, re.M)


def test_no_file_of_the_containers_knows_the_machine_it_was_written_on() -> None:
    for path in [*DOCKERFILES, ROOT / "dockerfiles" / "install.sh", ROOT / "docker-compose.yml"]:
        assert not re.search(r"FIND_LINKS|PIP_INDEX|/home/", path.read_text()), path


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(path: Path) -> None:
    lint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if lint is None:
        (pytest.fail if os.environ.get("REQUIRE_CONTAINERS") else pytest.skip)("hadolint is not installed")
    done = subprocess.run([lint, path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_files_follow_the_schema() -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    files = [ROOT / "docker-compose.yml", ROOT / "docker-compose.gpu.yml"]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_workflows_follow_their_schemas_and_actions_are_pinned_by_hash() -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    for schema, files in [("github-workflows", workflows), ("dependabot", [ROOT / ".github/dependabot.yml"])]:
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    used = re.findall(r"uses: (.+)", "".join(path.read_text() for path in workflows))
    assert used and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", each) for each in used), used
    images = (ROOT / ".github" / "workflows" / "images.yml").read_text()
    assert "sbom: true" in images and "provenance: mode=max" in images


def made(*arguments: str, path: str = "", cwd: Path = ROOT) -> str:
    """What a target would run."""
    search = os.pathsep.join(filter(None, [path, os.environ["PATH"]]))
    command = ["make", "--dry-run", f"--file={ROOT / 'Makefile.docker'}", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=True, env={"PATH": search}
    ).stdout  # fmt: skip


@needs_make
@pytest.mark.parametrize(
    ("gpu", "status", "used"),
    [("auto", 0, True), ("auto", 9, False), ("0", 0, False), ("1", 9, True)],
)
def test_a_gpu_is_used_where_the_host_has_one_and_as_is_said(
    gpu: str, status: int, used: bool, tmp_path: Path
) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\nexit {status}\n")
    smi.chmod(0o755)
    said = made("up", f"GPU={gpu}", path=str(tmp_path))
    files = "-f docker-compose.yml -f docker-compose.gpu.yml " if used else ""
    assert said.startswith(f"docker compose {files}up --detach --wait api ")


@needs_make
def test_an_override_of_the_user_is_read_with_a_gpu_too(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.override.yml").touch()
    said = made("up", "GPU=1", cwd=tmp_path)
    assert "-f docker-compose.yml -f docker-compose.override.yml -f docker-compose.gpu.yml up" in said


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """A folder with a `docker` that writes each argument as a line into the file `asked` beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" >>"${0%/*}/asked"\ncase " $* " in *" up "*) sleep "${WAIT:-0}";; esac\n'
    )
    (folder / "docker").chmod(0o755)
    return folder


def begun(docker: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """A target that runs beside the test, as in a terminal of its own; it finds that `docker`."""
    return subprocess.Popen(
        ["make", f"--file={ROOT / 'Makefile.docker'}", "GPU=0", *arguments],
        cwd=docker.parent, env={"PATH": f"{docker}:{os.environ['PATH']}", **variables}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


@needs_make
@pytest.mark.parametrize("name", ["my_meter.csv", "my meter.csv", "it's mine, (1).csv"])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_meters_file_may_have_any_name_but_one_that_cannot_be_mounted(
    docker: Path, name: str, absolute: bool
) -> None:
    path = docker.parent / name
    path.touch()
    with begun(docker, "predict", f"FILE={path if absolute else name}", "OUTPUT=/app/data/a b.csv") as target:
        said = target.communicate()
    assert target.returncode == 0, said
    asked = (docker / "asked").read_text().splitlines()
    assert f"{path}:/tmp/in/{name}:ro" in asked
    assert asked[asked.index("predict") + 1 :] == [f"/tmp/in/{name}", "--output", "/app/data/a b.csv"]
    told = "docker compose run --rm --no-TTY cli cat '/app/data/a b.csv' >'a b.csv'"
    assert said[0].splitlines() == ["they lie in the data volume; a copy here:", told]


@needs_make
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("FILE=none.csv", "name your meter's file"),
        ("FILE=a:b.csv", "can't mount a path with a colon"),
        ("OUTPUT=mine.csv", "OUTPUT is 'mine.csv': it must lie under /app/data"),
    ],
)
def test_what_predict_cannot_do_is_refused_before_a_container_starts(
    docker: Path, given: str, reason: str
) -> None:
    for name in ("my meter.csv", "a:b.csv"):
        (docker.parent / name).touch()
    with begun(docker, "predict", "FILE=my meter.csv", given) as target:
        _, said = target.communicate()
    assert target.returncode == 2 and reason in said
    assert not (docker / "asked").exists()


@needs_make
def test_a_cluster_is_taken_down_when_its_start_is_interrupted(docker: Path) -> None:
    with begun(docker, "batch", "INPUT=/app/data/homes", WAIT="30") as target:
        while not (docker / "asked").exists():
            time.sleep(0.01)
        os.killpg(target.pid, signal.SIGINT)
        target.communicate()
    assert target.returncode != 0
    asked = (docker / "asked").read_text().split()
    assert "edmlops" not in asked and asked[-5:] == ["rm", "--stop", "--force", "scheduler", "worker"]


@needs_make
@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("", "was not started"),
        ("out of order", "is not healthy (Exited (137) 3 seconds ago); the last lines of its log:"),
    ],
)
def test_where_the_api_does_not_start_its_log_or_docker_has_the_reason(
    docker: Path, log: str, reason: str
) -> None:
    (docker / "docker").write_text(
        f'#!/bin/sh\ncase " $* " in *" logs "*) printf %s "{log}";; '
        '*" ps "*) echo "Exited (137) 3 seconds ago";; *) exit 1;; esac\n'
    )
    with begun(docker, "up") as target:
        _, said = target.communicate()
    assert target.returncode != 0 and reason in said and log in said


@needs_make
def test_prune_without_a_yes_says_that_nothing_was_removed(docker: Path) -> None:
    with begun(docker, "prune") as target:
        _, said = target.communicate()
    assert target.returncode != 0 and "nothing was removed" in said
    assert not (docker / "asked").exists()


@needs_make
def test_every_target_is_listed() -> None:
    text = (ROOT / "Makefile.docker").read_text()
    phony = re.search(r"\.PHONY:((?:.*\\\n)*.*)", text)
    assert phony is not None
    listed = subprocess.run(
        ["make", "-f", "Makefile.docker", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [
        name for name in phony[1].replace("\\", "").split() if not re.search(rf"\b{name}\b", listed)
    ] == []


@pytest.mark.containers
@pytest.mark.parametrize(
    ("profiles", "services"),
    [
        ((), {"api"}),
        (("training",), {"api", "train"}),
        (("cli",), {"api", "cli"}),
        (("training", "cli"), {"api", "train", "cli"}),
        (("cluster",), {"api", "scheduler", "worker"}),
        (("nodes",), {"api", "node"}),
        (("tracking",), {"api", "tracking"}),
        (("dev",), {"api", "dev"}),
    ],
)
@pytest.mark.parametrize("files", [("docker-compose.yml",), ("docker-compose.yml", "docker-compose.gpu.yml")])
def test_a_profile_has_its_services(
    engine: None, profiles: tuple[str, ...], services: set[str], files: tuple[str, ...]
) -> None:
    options = [*(f"--file={name}" for name in files), *(f"--profile={name}" for name in profiles)]
    command = ["docker", "compose", *options, "config", "--format", "json"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | {"TAG": ""}
    )
    found = json.loads(done.stdout)["services"]
    assert found.keys() == services
    published = {name: service["ports"] for name, service in found.items() if service.get("ports")}
    assert published.keys() == {"api", "scheduler", "tracking"} & services
    assert all(port["host_ip"] == "127.0.0.1" for ports in published.values() for port in ports)
    assert all(list(service["networks"]) == ["energy-network"] for service in found.values())
    assert all(service["cap_drop"] == ["ALL"] and service["read_only"] for service in found.values())
    assert all(service["user"] == "10001:10001" and service["init"] for service in found.values())
    assert all(service["pull_policy"] == "never" and service["build"] for service in found.values())
    assert all(service["pids_limit"] and service["tmpfs"] for service in found.values())
    assert all(service["mem_limit"] for name, service in found.items() if name != "dev")
    shells = [service for service in found.values() if service.get("tty")]
    assert all(service["stop_signal"] == "SIGHUP" for service in shells)
    on_gpu = {"api", "train", "dev"} if len(files) > 1 else set()
    assert {name for name, service in found.items() if "deploy" in service} == on_gpu & services
