"""The commands of docs/api.md, each run as it stands but for the port."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from running import KEY, app_of, running

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.rules import Rules

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def commands() -> list[str]:
    """The page's commands: lines indented by four from "curl", "printf" or "export" on, with what continues them."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^    ((?:curl|printf|export) .*(?:\n     .*|\\\n.*)*)", text, re.MULTILINE)
    return [command.replace("\n    ", "\n") for command in found]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed, as in the dev image")
def test_every_command_of_the_page_is_answered(
    registry: Registry, make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    for _ in range(2):
        make_bundle("home")
    registry.promote("home@1")
    registry.promote("home@2")
    registry.promote("home@1")
    lines = commands()
    assert len(lines) > 25
    with running(app_of(registry, Rules(key=KEY))) as address:
        script = "\n".join(["set -e", *lines]).replace("curl -s", "curl -sS --fail-with-body")
        run = subprocess.run(
            ["bash", "-c", script.replace("localhost:8000", address.removeprefix("http://"))],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr
    assert (tmp_path / "appliances.csv").read_text().startswith('"time","mains","kettle"')


def test_the_page_has_a_command_for_every_operation(registry: Registry) -> None:
    asked = {
        re.sub(r"[?'\"].*", "", path) for path in re.findall(r"localhost:8000(/\S*)", "\n".join(commands()))
    }
    paths = app_of(registry, Rules()).openapi()["paths"]
    patterns = {path: re.sub(r"\{\w+\}", "[^/]+", path) for path in paths}
    without = [
        path for path, pattern in patterns.items() if not any(re.fullmatch(pattern, one) for one in asked)
    ]
    assert without == []


@pytest.mark.parametrize(
    "status", ["400", "401", "403", "406", "408", "409", "413", "415", "422", "429", "503"]
)
def test_the_page_explains_every_status_that_is_documented(registry: Registry, status: str) -> None:
    operations = [
        one for path in app_of(registry, Rules(key=KEY)).openapi()["paths"].values() for one in path.values()
    ]
    assert any(status in operation["responses"] for operation in operations)
    assert re.search(rf"^\|[ 0-9,]*{status}[ 0-9,]*\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
