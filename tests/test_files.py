from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from energy_dissagregation_mlops import files
from energy_dissagregation_mlops.errors import EdmlopsError
from energy_dissagregation_mlops.files import (
    atomic_file,
    atomic_folder,
    check_writable,
    exclusive,
    explained_disk_errors,
    json_text,
    sha256_of,
    write_text,
)


class PulledPlugError(Exception):
    """What a test throws in the middle of writing."""


def write_half(target: Path, failure: type[BaseException] | BaseException) -> None:
    with atomic_file(target) as aside:
        aside.write_text("half")
        raise failure


def fill_half(target: Path, failure: type[BaseException]) -> None:
    with atomic_folder(target, replace=True) as aside:
        (aside / "new.txt").touch()
        raise failure


def contents(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_appears_whole_in_a_folder_that_is_made_for_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with atomic_file(target) as aside:
        aside.write_text("half")
        assert not target.exists()
        aside.write_text("whole")
    assert target.read_text() == "whole"
    assert contents(target.parent) == {"a.txt"}


@pytest.mark.parametrize("interruption", [PulledPlugError, KeyboardInterrupt])
def test_an_interrupted_file_leaves_the_older_one(tmp_path: Path, interruption: type[BaseException]) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(interruption):
        write_half(tmp_path / "a.txt", interruption)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert contents(tmp_path) == {"a.txt"}


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "b" / "1") as aside:
        (aside / "inner").mkdir()
        (aside / "inner" / "a.txt").write_text("x")
        assert not (tmp_path / "b" / "1").exists()
    assert (tmp_path / "b" / "1" / "inner" / "a.txt").read_text() == "x"
    assert contents(tmp_path / "b") == {"1"}


@pytest.mark.parametrize("interruption", [PulledPlugError, KeyboardInterrupt])
def test_an_interrupted_folder_leaves_the_older_one(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old.txt").touch()
    with pytest.raises(interruption):
        fill_half(tmp_path / "b", interruption)
    assert contents(tmp_path) == {"b"}
    assert contents(tmp_path / "b") == {"old.txt"}


def test_a_folder_replaces_an_older_one_and_nothing_of_it_stays(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old.txt").touch()
    with atomic_folder(tmp_path / "b", replace=True) as aside:
        (aside / "new.txt").touch()
    assert contents(tmp_path) == {"b"}
    assert contents(tmp_path / "b") == {"new.txt"}


def test_a_folder_that_is_replaced_is_there_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old.txt").touch()
    if not files._exchanged(tmp_path / "b", tmp_path / "b"):
        pytest.skip("this system can't let folders change places")
    rename = Path.rename
    there = []

    def watched(self: Path, target: Path) -> Path:
        try:
            return rename(self, target)
        finally:
            there.append((tmp_path / "b").exists())

    monkeypatch.setattr(Path, "rename", watched)
    with atomic_folder(tmp_path / "b", replace=True) as aside:
        (aside / "new.txt").touch()
    assert all(there)
    assert contents(tmp_path) == {"b"}
    assert contents(tmp_path / "b") == {"new.txt"}


def test_a_folder_that_exists_is_not_touched_unasked(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old.txt").touch()
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "b") as aside:
        (aside / "new.txt").touch()
    assert contents(tmp_path) == {"b"}
    assert contents(tmp_path / "b") == {"old.txt"}


@pytest.mark.parametrize("failure", [PulledPlugError, KeyboardInterrupt])
def test_a_folder_whose_place_is_lost_halfway_gets_the_older_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old.txt").touch()
    monkeypatch.setattr(files, "_exchanged", lambda *_: False)
    rename = Path.rename
    renamed: list[Path] = []

    def rename_twice(self: Path, target: Path) -> Path:
        renamed.append(self)
        if len(renamed) == 3:  # refused, the older one moved away, and now the new one
            raise failure
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_twice)
    with pytest.raises(failure), atomic_folder(tmp_path / "b", replace=True) as aside:
        (aside / "new.txt").touch()
    assert contents(tmp_path) == {"b"}
    assert contents(tmp_path / "b") == {"old.txt"}


def test_a_full_disk_gets_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(EdmlopsError, match=r"the disk is full.*a\.txt was not written") as error:
        write_half(tmp_path / "new" / "a.txt", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert "\n" not in str(error.value)
    assert contents(tmp_path / "new") == set()


def test_a_refused_permission_names_the_file_that_was_refused(tmp_path: Path) -> None:
    target, source = tmp_path / "a.txt", tmp_path / "source.csv"
    hidden = tmp_path / ".a.txt.12345678.partial"
    for refused, named in ((source, source), (hidden, target)):
        with pytest.raises(EdmlopsError, match="no permission for") as error, explained_disk_errors(target):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(refused))
        assert f" {named} (" in str(error.value)


def test_a_folder_that_can_be_written_in_is_made_and_stays_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder")
    assert contents(tmp_path / "new" / "folder") == set()


def test_a_folder_that_can_not_be_written_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdmlopsError, match="no permission for /sys"):
        check_writable(Path("/sys"))  # even root makes no files there
    (tmp_path / "file").touch()
    with pytest.raises(EdmlopsError, match="can't be written"):
        check_writable(tmp_path / "file")


def test_a_folder_in_a_files_place_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(EdmlopsError, match=r"a\.txt can't be written"):
        write_text(tmp_path / "a.txt", "x")
    assert contents(tmp_path) == {"a.txt"}


def test_a_file_in_a_folders_place_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    with pytest.raises(EdmlopsError, match=r"a\.txt can't be written"):
        write_text(tmp_path / "b" / "a.txt", "x")
    with pytest.raises(EdmlopsError, match="c can't be written"), atomic_folder(tmp_path / "b" / "c"):
        pass


def test_another_error_of_the_system_passes_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), atomic_file(tmp_path / "a.txt"):
        raise ConnectionResetError


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"watts")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"watts").hexdigest()


def test_json_is_sorted_ends_in_a_newline_and_refuses_nan() -> None:
    assert json_text({"b": 1, "a": "W²"}) == '{\n  "a": "W²",\n  "b": 1\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"a": float("nan")})


def test_a_lock_says_who_has_it_and_is_free_again_after(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with (
        exclusive(path, EdmlopsError),
        pytest.raises(EdmlopsError, match=f"process {os.getpid()} on "),
        exclusive(path, EdmlopsError),
    ):
        pass
    with exclusive(path):
        pass
    with pytest.raises(EdmlopsError, match="no permission for /sys"), exclusive(Path("/sys/a.lock")):
        pass
