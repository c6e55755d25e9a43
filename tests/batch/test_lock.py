"""One run at a time on an output."""

from __future__ import annotations

import fcntl
import itertools
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pytest

from energy_dissagregation_mlops.batch.lock import KEY, locked
from energy_dissagregation_mlops.batch.storage import Folder
from energy_dissagregation_mlops.errors import ConfigError, EdmlopsError

HOLD = """
import sys, time
from energy_dissagregation_mlops.batch.lock import locked
from energy_dissagregation_mlops.batch.storage import Folder
with locked(Folder.at(sys.argv[1])):
    print("mine", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def remote() -> Iterator[Folder]:
    """A folder in memory: what it shares with an object store is that nobody locks for us."""
    folder = Folder.at(f"memory://{secrets.token_hex(4)}")
    yield folder
    folder.remove("")


def test_a_disk_is_locked_by_the_living_and_not_by_the_killed(tmp_path: Path) -> None:
    folder = Folder.at(str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == "mine\n"
        with pytest.raises(ConfigError, match=f"another run \\(process {owner.pid} on"), locked(folder):
            pass
        owner.kill()
        owner.wait()
        with locked(folder):
            assert f"process {owner.pid}" not in (tmp_path / KEY).read_text()


def test_nothing_remains_where_a_run_came_to_nothing(tmp_path: Path) -> None:
    with locked(Folder.at(str(tmp_path / "a" / "b"))):
        assert (tmp_path / "a" / "b" / KEY).is_file()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    with locked(Folder.at(str(tmp_path / "there"))):
        pass
    assert list((tmp_path / "there").iterdir()) == []
    with locked(Folder.at(str(tmp_path / "kept"))):
        (tmp_path / "kept" / "table").touch()
    assert sorted(each.name for each in (tmp_path / "kept").iterdir()) == [KEY, "table"]


def test_a_lock_that_its_owner_took_away_locks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = fcntl.flock

    def too_late(file: TextIO, how: int) -> None:
        (tmp_path / KEY).unlink()  # after this one has opened it, and before it locks it
        taken(file, how)

    monkeypatch.setattr(fcntl, "flock", too_late)
    with pytest.raises(ConfigError, match="which has just ended"), locked(Folder.at(str(tmp_path))):
        pass


def test_an_address_is_locked_while_there_are_signs_of_life(remote: Folder) -> None:
    with (
        locked(remote, beat=0.02, patience=5),
        pytest.raises(ConfigError, match="another run"),
        locked(remote, beat=0.02, patience=5),
    ):
        pass
    assert remote.read(KEY) is None


def test_a_sign_of_life_that_is_being_written_is_looked_at_again(
    remote: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, torn = Folder.read, itertools.cycle((b"", b'{"owner": "somebody', None))

    def half_the_time_torn(folder: Folder, key: str) -> bytes | None:
        is_owner = threading.current_thread() is not threading.main_thread()
        part = next(torn) if key == KEY and not is_owner else None
        return read(folder, key) if part is None else part

    with locked(remote, beat=0.02, patience=5):
        monkeypatch.setattr(Folder, "read", half_the_time_torn)
        with (
            pytest.raises(ConfigError, match=r"another run \(process"),
            locked(remote, beat=0.02, patience=5),
        ):
            pass
        monkeypatch.undo()


def comes(true: Callable[[], bool]) -> bool:
    """Whether it is so within a few seconds."""
    return any(true() or time.sleep(0.02) for _ in range(100))


@pytest.mark.parametrize("fails", ["read", "write"])
def test_a_store_that_fails_for_a_moment_loses_no_lock(
    remote: Folder, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    does, failures = getattr(Folder, fails), [OSError("the network is away") for _ in range(2)]

    def fail_twice(folder: Folder, *arguments: object) -> object:
        if threading.current_thread().name == "lock" and failures:
            raise failures.pop()
        return does(folder, *arguments)

    monkeypatch.setattr(Folder, fails, fail_twice)
    with locked(remote, beat=0.02, patience=5):
        assert comes(lambda: not failures)
        with pytest.raises(ConfigError, match="another run"), locked(remote, beat=0.02, patience=5):
            pass


def test_a_lock_that_is_not_found_for_a_moment_is_not_lost(
    remote: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, absent = Folder.read, [True]

    def absent_once(folder: Folder, key: str) -> bytes | None:
        is_owner = threading.current_thread().name == "lock"
        return None if is_owner and absent and absent.pop() else read(folder, key)

    monkeypatch.setattr(Folder, "read", absent_once)
    with locked(remote, beat=0.02, patience=5):
        assert comes(lambda: not absent)


def test_a_run_that_can_give_no_sign_for_too_long_is_told(
    remote: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Folder.write

    def cut_off(folder: Folder, key: str, content: bytes) -> None:
        if threading.current_thread().name == "lock":
            raise OSError("the network is away")
        write(folder, key, content)

    monkeypatch.setattr(Folder, "write", cut_off)
    with pytest.raises(EdmlopsError, match="taken over"), locked(remote, beat=0.02, patience=0.1):
        time.sleep(0.5)


def test_a_run_that_slept_while_another_came_and_went_is_told(
    remote: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Folder.read

    def sleepy(folder: Folder, key: str) -> bytes | None:
        if threading.current_thread().name == "lock":
            time.sleep(0.3)
            folder.remove(key)
        return read(folder, key)

    monkeypatch.setattr(Folder, "read", sleepy)
    with pytest.raises(EdmlopsError, match="taken over"), locked(remote, beat=0.02, patience=0.1):
        time.sleep(0.5)


def test_a_lock_that_has_stopped_changing_belongs_to_nobody(remote: Folder) -> None:
    remote.write(KEY, b'{"owner": "a process that was killed", "token": "x", "sign": 7}')
    with locked(remote, beat=0.02, patience=0.1):
        content = remote.read(KEY)
        assert content is not None and b"killed" not in content
    assert remote.read(KEY) is None


def test_of_two_that_take_an_abandoned_lock_one_has_it(remote: Folder) -> None:
    remote.write(KEY, b'{"owner": "a process that was killed", "token": "x", "sign": 7}')
    got: list[bool] = []
    over = threading.Event()

    def take() -> None:
        try:
            with locked(remote, beat=0.1, patience=0.3):
                got.append(True)
                over.wait(5)
        except ConfigError:
            got.append(False)
            over.set()

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False, True]


def take_over(folder: Folder) -> None:
    """As often as its owner may write over it."""
    for sign in range(15):
        folder.write(KEY, b'{"owner": "another", "token": "y", "sign": %d}' % sign)
        time.sleep(0.02)


def test_a_run_whose_lock_was_taken_over_is_told(remote: Folder) -> None:
    with pytest.raises(EdmlopsError, match="taken over"), locked(remote, beat=0.02, patience=0.1):
        take_over(remote)
    content = remote.read(KEY)
    assert content is not None and b"another" in content
