"""The files themselves: nothing dead in the template of the environment, and what linters and schemas say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
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
OF_PYTHON = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def offered() -> set[str]:
    """The variables of .docker-env, those commented out too."""
    return set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".docker-env").read_text(), re.M))


def read_by_the_package() -> set[str]:
    return {each.name for each in vars(settings).values() if isinstance(each, settings.Variable)}


def interpolated() -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+)", COMPOSE))


def handed_over() -> set[str]:
    """What Compose puts into a container's environment."""
    return set(re.findall(r"^ +([A-Z_]+):", COMPOSE, re.M)) & (read_by_the_package() | OF_PYTHON)


def test_no_variable_of_the_template_is_dead() -> None:
    heard = interpolated() | handed_over()
    assert offered() - heard == set()


def test_every_variable_that_compose_asks_for_is_in_the_template() -> None:
    assert interpolated() - offered() == set()


def test_every_setting_of_the_package_can_be_set_in_the_template_and_reaches_a_container() -> None:
    assert read_by_the_package() - offered() == set()
    assert read_by_the_package() - handed_over() == set()


def test_the_template_gives_the_values_that_the_package_and_compose_would_take() -> None:
    for line in (ROOT / ".docker-env").read_text().splitlines():
        name, separator, value = line.removeprefix("# ").partition("=")
        if separator and re.fullmatch("[A-Z_]+", name) and value and f"${{{name}" in COMPOSE:
            defaults = set(re.findall(rf"\$\{{{name}:?-([^}}]*)\}}", COMPOSE))
            assert value in defaults, name


def test_ignored_by_git_is_the_environment_and_not_its_template() -> None:
    assert "/.env" in (ROOT / ".gitignore").read_text().splitlines()


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


@pytest.mark.containers
@pytest.mark.parametrize(
    ("profiles", "services"),
    [
        ((), {"api"}),
        (("training",), {"api", "train"}),
        (("cli",), {"api", "cli"}),
        (("training", "cli"), {"api", "train", "cli"}),
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
    assert {name for name, service in found.items() if service.get("ports")} == {"api"}
    assert all(list(service["networks"]) == ["energy-network"] for service in found.values())
    assert all(service["cap_drop"] == ["ALL"] and service["read_only"] for service in found.values())
    assert all(("deploy" in service) == (len(files) > 1 and name != "cli") for name, service in found.items())
