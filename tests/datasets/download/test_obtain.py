from __future__ import annotations

import errno
import hashlib
import io
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import py7zr
import pytest

from energy_dissagregation_mlops.datasets.download import download
from energy_dissagregation_mlops.datasets.download.obtain import Order, obtain
from energy_dissagregation_mlops.datasets.download.place import Place
from energy_dissagregation_mlops.datasets.download.progress import Stage
from energy_dissagregation_mlops.datasets.download.transfer import Patience
from energy_dissagregation_mlops.errors import (
    ConfigError,
    DownloadError,
    EdmlopsError,
    UnknownNameError,
    UnsafeFileError,
)

Server = Any  # the fixture's class lives in conftest.py, which can't be imported from here
Zipped = Callable[..., bytes]

HOME = random.Random(5).randbytes(200_000)
OTHER_HOME = random.Random(6).randbytes(200_000)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.fixture
def home(server: Server, zipped: Zipped) -> Order:
    """UK-DALE in small: one file in a zip archive."""
    server.content = zipped(("readme.txt", b"hello"), ("home.h5", HOME))
    return server.one_file(HOME)


# What goes well


def test_a_zipped_file_ends_in_its_place_and_the_archive_is_gone(
    home: Order, tmp_path: Path, patience: Patience
) -> None:
    stages: list[Stage] = []
    path = obtain(home, tmp_path, patience=patience, progress=lambda done, total, stage: stages.append(stage))
    assert path == tmp_path / "home.h5"
    assert path.read_bytes() == HOME
    assert hidden(tmp_path) == [".home.h5.lock", ".home.h5.receipt.json"]
    assert list(dict.fromkeys(stages)) == [Stage.TRANSFER, Stage.UNPACK, Stage.CHECK]


def test_a_second_source_that_sends_the_file_itself_will_do(
    server: Server, tmp_path: Path, patience: Patience
) -> None:
    server.content = HOME
    assert obtain(server.one_file(HOME), tmp_path, patience=patience).read_bytes() == HOME
    assert hidden(tmp_path) == [".home.h5.lock", ".home.h5.receipt.json"]


def test_a_7z_archive_of_a_folder_ends_in_that_folder(
    server: Server, tmp_path: Path, patience: Patience
) -> None:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as archive:
        for name, content in (("x/a.csv", b"1"), ("x/b.csv", b"2"), ("x/c.csv", b"3")):
            archive.writestr(content, name)
    server.content = buffer.getvalue()
    order = server.folder_of(("a.csv", "b.csv"), server.content)
    path = obtain(order, tmp_path / "new" / "folder", patience=patience)
    assert path == tmp_path / "new" / "folder" / "homes"
    assert {each.name: each.read_bytes() for each in path.iterdir()} == {"a.csv": b"1", "b.csv": b"2"}


def test_a_second_run_asks_nobody_and_says_so(
    server: Server, home: Order, tmp_path: Path, patience: Patience, caplog: pytest.LogCaptureFixture
) -> None:
    obtain(home, tmp_path, patience=patience)
    stages: list[Stage] = []
    with caplog.at_level(logging.INFO):
        obtain(home, tmp_path, patience=patience, progress=lambda done, total, stage: stages.append(stage))
    assert len(server.requests) == 1 and stages == []
    assert "already there" in caplog.text and "nothing to do" in caplog.text


def test_a_second_run_into_a_folder_asks_nobody_even_if_something_was_added(
    server: Server, zipped: Zipped, tmp_path: Path, patience: Patience
) -> None:
    server.content = zipped(("a.csv", b"1"))
    order = server.folder_of(("a.csv",), server.content)
    (obtain(order, tmp_path, patience=patience) / "notes.txt").write_text("mine")
    obtain(order, tmp_path, patience=patience)
    assert len(server.requests) == 1


def test_a_file_that_the_user_brought_is_checked_and_used(
    server: Server, home: Order, tmp_path: Path, patience: Patience
) -> None:
    (tmp_path / "home.h5").write_bytes(HOME)
    obtain(home, tmp_path, patience=patience)
    assert server.requests == []


# What is already there and isn't right


def test_another_file_of_that_name_is_never_overwritten(
    server: Server, home: Order, tmp_path: Path, patience: Patience
) -> None:
    (tmp_path / "home.h5").write_bytes(b"my own measurements")
    with pytest.raises(DownloadError, match=r"exists already and stays: home.h5 has 19 bytes and the hash"):
        obtain(home, tmp_path, patience=patience)
    assert (tmp_path / "home.h5").read_bytes() == b"my own measurements"
    assert server.requests == []


def test_a_file_that_changed_after_its_download_is_noticed(
    home: Order, tmp_path: Path, patience: Patience
) -> None:
    path = obtain(home, tmp_path, patience=patience)
    path.write_bytes(OTHER_HOME)
    with pytest.raises(
        DownloadError, match=r"exists already and stays: home.h5 has 200,000 bytes and the hash md5:"
    ):
        obtain(home, tmp_path, patience=patience)


def test_a_folder_that_lost_a_file_is_noticed(
    server: Server, zipped: Zipped, tmp_path: Path, patience: Patience
) -> None:
    server.content = zipped(("a.csv", b"1"), ("b.csv", b"2"))
    order = server.folder_of(("a.csv", "b.csv"), server.content)
    (obtain(order, tmp_path, patience=patience) / "b.csv").unlink()
    with pytest.raises(DownloadError, match="exists already, but not as a download leaves it"):
        obtain(order, tmp_path, patience=patience)


def test_a_target_folder_that_is_a_file_is_an_error(home: Order, tmp_path: Path, patience: Patience) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="is a file: expected a folder"):
        obtain(home, tmp_path / "file", patience=patience)


# Wrong bytes


def test_a_wrong_hash_names_both_and_the_way_to_accept_it(
    server: Server, tmp_path: Path, patience: Patience
) -> None:
    server.content = OTHER_HOME
    found, expected = (f"md5:{hashlib.md5(each).hexdigest()}" for each in (OTHER_HOME, HOME))
    with pytest.raises(
        DownloadError,
        match=f"home.h5 has 200,000 bytes and the hash {found}, expected 200,000 bytes and {expected}.*--accept-hash {found}",
    ):
        obtain(server.one_file(HOME), tmp_path, patience=patience)
    assert visible(tmp_path) == []
    assert len(server.requests) == 1  # in one piece: another transfer would bring the same


def test_a_hash_that_the_user_accepts_needs_no_second_transfer(
    server: Server, zipped: Zipped, tmp_path: Path, patience: Patience
) -> None:
    edition = OTHER_HOME + b"a later edition is longer"
    server.content = zipped(("home.h5", edition))
    with pytest.raises(DownloadError, match="if you trust this one pass --accept-hash"):
        obtain(server.one_file(HOME), tmp_path, patience=patience)
    accepted = f"sha256:{hashlib.sha256(edition).hexdigest()}"
    path = obtain(server.one_file(HOME, accepted=accepted), tmp_path, patience=patience)
    assert path.read_bytes() == edition
    assert len(server.requests) == 1
    assert json.loads((tmp_path / ".home.h5.receipt.json").read_text())["hash"] == accepted
    obtain(server.one_file(HOME), tmp_path, patience=patience)
    assert len(server.requests) == 1


def test_accepting_a_hash_still_accepts_the_published_one_only_beside_it(
    server: Server, tmp_path: Path, patience: Patience
) -> None:
    accepted = f"md5:{hashlib.md5(b'something else').hexdigest()}"
    server.content = OTHER_HOME
    with pytest.raises(DownloadError, match=rf"nor is it the accepted {accepted}"):
        obtain(server.one_file(HOME, accepted=accepted), tmp_path, patience=patience)
    server.content, server.headers = HOME, {"ETag": '"new"'}
    assert obtain(server.one_file(HOME, accepted=accepted), tmp_path, patience=patience).exists()


def test_pieces_that_do_not_fit_are_downloaded_once_more(
    server: Server, tmp_path: Path, patience: Patience, caplog: pytest.LogCaptureFixture
) -> None:
    # The server changes the file and keeps its ETag and length: only the hash can tell.
    server.content = OTHER_HOME
    server.plan = [server.dropping(50_000), server.replaced(HOME, '"one"')]
    path = obtain(server.one_file(HOME), tmp_path, patience=patience)
    assert path.read_bytes() == HOME
    assert server.ranges() == [None, "bytes=50000-", None]
    assert "it came in pieces" in caplog.text


def test_a_wrong_archive_leaves_nothing_in_place_and_the_next_run_brings_it_anew(
    server: Server, zipped: Zipped, tmp_path: Path, patience: Patience
) -> None:
    right = zipped(("a.csv", b"1" * 1000))
    order = server.folder_of(("a.csv",), right)
    server.content = right[:-1] + b"!"
    with pytest.raises(DownloadError, match=r"file has [0-9]+ bytes and the hash sha256:"):
        obtain(order, tmp_path, patience=patience)
    assert visible(tmp_path) == []
    server.content, server.headers = right, {"ETag": '"two"'}
    assert (obtain(order, tmp_path, patience=patience) / "a.csv").read_bytes() == b"1" * 1000


def test_a_truncated_zip_leaves_nothing_in_place(
    server: Server, home: Order, tmp_path: Path, patience: Patience
) -> None:
    server.content = server.content[:-100]
    with pytest.raises(DownloadError, match="not the whole, sound archive"):
        obtain(home, tmp_path, patience=patience)
    assert visible(tmp_path) == []


def test_a_member_of_the_wrong_size_is_refused(
    server: Server, zipped: Zipped, tmp_path: Path, patience: Patience
) -> None:
    server.content = zipped(("home.h5", HOME[:-1]))
    with pytest.raises(
        DownloadError, match=r"home.h5 has 199,999 bytes and the hash md5:\w+, expected 200,000 bytes"
    ):
        obtain(server.one_file(HOME), tmp_path, patience=patience)
    assert visible(tmp_path) == []
    assert ".home.h5.unpacking" not in hidden(tmp_path)


def test_a_zip_that_reaches_outside_is_refused(
    server: Server, zipped: Zipped, tmp_path: Path, patience: Patience
) -> None:
    server.content = zipped(("../home.h5", HOME))
    with pytest.raises(UnsafeFileError, match="leaves its folder"):
        obtain(server.one_file(HOME), tmp_path / "raw", patience=patience)
    assert not (tmp_path / "home.h5").exists()


def test_a_page_that_asks_to_log_in_is_recognised(server: Server, tmp_path: Path, patience: Patience) -> None:
    server.content = b"\n<!DOCTYPE html><title>Please log in</title>"
    with pytest.raises(DownloadError, match=r"has 44 bytes, expected 200,000: it is a web page"):
        obtain(server.one_file(HOME), tmp_path, patience=patience)


def test_a_page_instead_of_an_archive_is_recognised(
    server: Server, tmp_path: Path, patience: Patience
) -> None:
    server.content = b"<html>"
    order = server.folder_of(("a.csv",), b"<html>")
    with pytest.raises(DownloadError, match="neither a zip nor a 7z archive"):
        obtain(order, tmp_path, patience=patience)


def test_a_missing_file_names_the_other_address(server: Server, tmp_path: Path, patience: Patience) -> None:
    server.otherwise = server.answering(404)
    order = server.one_file(HOME, other="https://example.org/mirror/home.h5")
    with pytest.raises(
        DownloadError,
        match=r"answers 404 Not Found: expected the file; elsewhere, for --url: https://example.org/mirror/home.h5$",
    ):
        obtain(order, tmp_path, patience=patience)


def test_every_error_is_one_line(server: Server, tmp_path: Path, patience: Patience) -> None:
    server.otherwise = server.answering(404)
    with pytest.raises(EdmlopsError) as caught:
        obtain(server.one_file(HOME), tmp_path, patience=patience)
    assert "\n" not in str(caught.value)


# The command's own door


def test_a_download_by_name_takes_a_mirror_and_is_held_to_the_published_hash(
    server: Server, tmp_path: Path, patience: Patience
) -> None:
    server.content = b"\x89HDF not UK-DALE"
    with pytest.raises(
        DownloadError, match=r"ukdale.h5 has 16 bytes and .*, expected 6,330,639,238 .*dap.ceda.ac.uk"
    ):
        download("ukdale", tmp_path, url=server.url)
    with pytest.raises(DownloadError, match=r"offers 16 bytes, expected 514,265,481"):
        download("refit", tmp_path, url=server.url)


def test_a_download_by_name_takes_a_hash_to_accept(server: Server, tmp_path: Path) -> None:
    server.content = b"\x89HDF another edition"
    accepted = f"MD5:{hashlib.md5(server.content).hexdigest()}"
    assert download("ukdale", tmp_path, url=server.url, accept_hash=accepted).exists()


def test_wrong_names_and_hashes_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="ukdale, refit"):
        download("redd", tmp_path)
    with pytest.raises(ConfigError, match="is not a hash"):
        download("refit", tmp_path, accept_hash="yes")
    assert list(tmp_path.iterdir()) == []


# Two at once, and interruptions


def test_two_runs_at_once_on_one_target_refuse_the_second(
    home: Order, tmp_path: Path, patience: Patience
) -> None:
    place = Place(folder=tmp_path, name="home.h5")
    with place.locked(), pytest.raises(DownloadError, match=rf"is running \(process {os.getpid()} on"):
        obtain(home, tmp_path, patience=patience)
    obtain(home, tmp_path, patience=patience)


@pytest.mark.parametrize("stage", list(Stage))
def test_an_interruption_at_any_stage_leaves_no_target_and_can_be_gone_on_from(
    server: Server, home: Order, tmp_path: Path, patience: Patience, stage: Stage
) -> None:
    def interrupt(done: float, total: float | None, reached: str) -> None:
        if reached is stage and done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        obtain(home, tmp_path, patience=patience, progress=interrupt)
    assert visible(tmp_path) == []
    kept = (tmp_path / ".home.h5.partial").stat().st_size
    assert 0 < kept <= len(server.content)
    assert obtain(home, tmp_path, patience=patience).read_bytes() == HOME
    if stage is not Stage.TRANSFER:
        assert len(server.requests) == 1


SCRIPT = """
import hashlib, sys, time
from pathlib import Path
from energy_dissagregation_mlops.datasets.download.obtain import Order, obtain
from energy_dissagregation_mlops.datasets.download.sources import Address, Publication, PublishedFile
from energy_dissagregation_mlops.errors import EdmlopsError
from energy_dissagregation_mlops.vocabulary import Source

url, size, digest, folder, pause = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), float(sys.argv[5])
file = PublishedFile(name="home.h5", size=size, hash=digest)
address = Address(url=url)
publication = Publication(name="home", source=Source(title="A home"), addresses=(address,), folder=None,
                          files=(file,), unpacked=size)

def progress(done, total, stage):
    print(stage, done, flush=True)
    time.sleep(pause)

try:
    obtain(Order(publication=publication, address=address), folder, progress=progress)
except EdmlopsError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def in_a_process(
    server: Server, content: bytes, folder: Path, *, pause: float, prefix: tuple[str, ...] = ()
) -> Any:
    digest = f"md5:{hashlib.md5(content).hexdigest()}"
    command = [*prefix, sys.executable, "-c", SCRIPT]
    arguments = [server.url, str(len(content)), digest, str(folder), str(pause)]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(line_start: str, stream: IO[str]) -> None:
    for line in stream:
        if line.startswith(line_start):
            return
    raise AssertionError(f"never saw {line_start!r}")


@pytest.mark.parametrize("stage", list(Stage))
def test_a_killed_process_is_gone_on_from_to_the_same_bytes(
    server: Server, zipped: Zipped, tmp_path: Path, patience: Patience, stage: Stage
) -> None:
    content = random.Random(11).randbytes(4_000_000)
    server.content = zipped(("home.h5", content))
    order = server.one_file(content)
    process = in_a_process(server, content, tmp_path, pause=0.01)
    try:
        wait_for(f"{stage} 1", process.stdout)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert visible(tmp_path) == []
    assert (tmp_path / ".home.h5.partial").stat().st_size > 0
    assert obtain(order, tmp_path, patience=patience).read_bytes() == content
    assert hidden(tmp_path) == [".home.h5.lock", ".home.h5.receipt.json"]
    assert server.ranges()[0] is None and None not in server.ranges()[1:]


def test_two_processes_at_once_refuse_the_second(server: Server, tmp_path: Path) -> None:
    content = random.Random(11).randbytes(4_000_000)
    server.content = content
    first = in_a_process(server, content, tmp_path, pause=30)
    try:
        wait_for(str(Stage.TRANSFER), first.stdout)
        second = in_a_process(server, content, tmp_path, pause=0)
        _, errors = second.communicate(timeout=60)
        assert second.returncode == 1
        assert errors.strip().endswith("then run this again")
        assert f"is running (process {first.pid} on" in errors
    finally:
        first.kill()
        first.communicate()


# Disks


@pytest.mark.parametrize("arrived", [False, True])
def test_too_little_room_for_what_is_unpacked_is_said_before_unpacking(
    home: Order, tmp_path: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    def interrupt(done: float, total: float | None, stage: str) -> None:
        if stage is Stage.UNPACK:
            raise KeyboardInterrupt

    if arrived:
        with pytest.raises(KeyboardInterrupt):
            obtain(home, tmp_path, patience=patience, progress=interrupt)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=150_000))
    stages: set[Stage] = set()
    with pytest.raises(DownloadError, match="has 0 MB free, expected 0 MB for the download and what it"):
        obtain(home, tmp_path, patience=patience, progress=lambda done, total, stage: stages.add(stage))
    assert visible(tmp_path) == []
    assert Stage.UNPACK not in stages


def test_a_disk_that_fills_up_keeps_what_has_arrived(
    server: Server, home: Order, tmp_path: Path, patience: Patience
) -> None:
    def fill(done: float, total: float | None, stage: str) -> None:
        if done > 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(EdmlopsError, match=r"the disk is full .*home.h5 was not written"):
        obtain(home, tmp_path, patience=patience, progress=fill)
    assert visible(tmp_path) == []
    assert obtain(home, tmp_path, patience=patience).read_bytes() == HOME
    assert server.ranges()[1] is not None


def test_a_small_disk_really_fills_up(server: Server, tmp_path: Path) -> None:
    mount = f'mount -t tmpfs -o size=1m none {tmp_path} && exec "$@"'
    prefix = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh")
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a small file system of their own")
    server.content = random.Random(11).randbytes(4_000_000)
    server.otherwise = server.unbounded  # so that nobody knows beforehand that the room is too small
    process = in_a_process(server, b"a small file", tmp_path, pause=0, prefix=prefix)
    started = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - started < 30
    assert process.returncode == 1
    assert errors.startswith("EdmlopsError: the disk is full (") and errors.count("\n") == 1
