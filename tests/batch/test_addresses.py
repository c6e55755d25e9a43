"""Inputs and outputs behind fsspec addresses: in memory, and on a local S3 server."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
from many_homes import home, names, tree, write_files, write_rows

from energy_dissagregation_mlops.batch.run import Manifest
from energy_dissagregation_mlops.errors import ConfigError

Score = Callable[..., Manifest]

KEYS = {
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip


def test_an_output_in_memory_holds_what_one_on_a_disk_does(score: Score, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in", [home(name) for name in names(4)])
    address = f"memory://{secrets.token_hex(4)}"
    kept = score(source, tmp_path / "disk", power=True)
    assert score(source, f"{address}/out", power=True) == kept
    system = fsspec.filesystem("memory")
    top = f"/{address.removeprefix('memory://')}/out/"
    found = {path.removeprefix(top): system.cat_file(path) for path in system.find(top)}
    assert found == tree(tmp_path / "disk")


def test_an_input_in_memory_is_read_like_one_on_a_disk(score: Score, tmp_path: Path) -> None:
    system = fsspec.filesystem("memory")
    top = f"/{secrets.token_hex(4)}"
    for write in (write_rows, write_files):
        local = write(tmp_path / write.__name__, [home(name) for name in names(3)])
        system.put(str(local), f"{top}/{write.__name__}", recursive=True)
        score(f"memory:/{top}/{write.__name__}", tmp_path / "remote" / write.__name__)
        score(local, tmp_path / "local" / write.__name__)
        remote, here = (tree(tmp_path / where / write.__name__) for where in ("remote", "local"))
        del remote["manifest.json"], here["manifest.json"]  # they name the input
        assert remote == here


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that speaks S3, with an empty bucket: the bucket's address."""
    for module in ("s3fs", "moto", "flask"):
        pytest.importorskip(module)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ | KEYS
    ) as server:
        assert server.stderr is not None
        lines = iter(server.stderr.readline, "")
        url = next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        for name, value in (KEYS | {"AWS_ENDPOINT_URL": url}).items():
            monkeypatch.setenv(name, value)
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir("homes")
        yield "s3://homes"
        server.kill()


@pytest.mark.slow
def test_a_run_from_s3_to_s3(score: Score, s3: str, tmp_path: Path) -> None:
    local = write_rows(tmp_path / "in", [home(name) for name in names(4)])
    system = fsspec.filesystem("s3")
    for file in local.iterdir():
        system.put_file(str(file), f"homes/in/{file.name}")
    manifest = score(f"{s3}/in", f"{s3}/out", power=True)
    assert manifest == score(f"{s3}/in", f"{s3}/out", power=True)  # complete: nothing is done twice
    score(local, tmp_path / "out", power=True)
    found = {path.removeprefix("homes/out/"): system.cat_file(path) for path in system.find("homes/out")}
    here = tree(tmp_path / "out")
    del found["manifest.json"], here["manifest.json"]
    assert found == here


def test_a_bucket_that_is_not_there_is_told(score: Score, s3: str, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", [home("h1")])
    with pytest.raises((ConfigError, OSError), match=r"absent|bucket"):
        score(source, "s3://absent/out")
