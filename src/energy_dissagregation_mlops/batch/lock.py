"""One run at a time on an output.

On a disk the lock is the kernel's (flock): it goes with the process that held it, however that ended. Behind
an address it is an object that its owner writes anew every few seconds: one that has stopped changing belongs
to nobody. Clocks are not compared.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from energy_dissagregation_mlops.batch.storage import Folder
from energy_dissagregation_mlops.errors import ConfigError, EdmlopsError
from energy_dissagregation_mlops.files import exclusive, this_process

KEY = ".lock"
BEAT = 5.0  # s between two signs of life
PATIENCE = 20.0  # s without one: the owner is gone


@contextmanager
def locked(folder: Folder, *, beat: float = BEAT, patience: float = PATIENCE) -> Iterator[None]:
    """Keep other runs off a folder for the length of the block.

    Args:
        folder: the output.
        beat: s between two signs of life, where the kernel keeps no lock.
        patience: s without one after which an owner is taken for gone.

    Raises:
        ConfigError: another run has it.
    """
    if folder.is_local:
        with _on_disk(folder.path(KEY), folder.address):
            yield
    else:
        with _by_signs_of_life(folder, beat, patience):
            yield


def _refusal(address: str, owner: str) -> ConfigError:
    return ConfigError(
        f"{address} is being written by another run ({owner}): wait for it, or choose another output"
    )


@contextmanager
def _on_disk(path: Path, address: str) -> Iterator[None]:
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(path, lambda owner: _refusal(address, owner)) as file:
        if not _is_still(path, file):
            raise _refusal(address, "which has just ended")
        try:
            yield
        finally:
            _tidy(path, made)


def _is_still(path: Path, file: TextIO) -> bool:
    """Whether the file is the one that others find there: who had it before may have removed it."""
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _tidy(path: Path, made: list[Path]) -> None:
    """Where a run came to nothing, not even its lock remains, nor the folders that were made for it."""
    with suppress(OSError):  # another run begins there at this moment
        if [each.name for each in path.parent.iterdir()] == [path.name]:
            path.unlink()
            for folder in made:
                folder.rmdir()


@contextmanager
def _by_signs_of_life(folder: Folder, beat: float, patience: float) -> Iterator[None]:
    mine = secrets.token_hex(8)
    _take(folder, mine, beat, patience)
    over, lost = threading.Event(), threading.Event()

    def live() -> None:
        count, signed = 0, time.monotonic()
        while not over.wait(beat):
            found = None
            # Each store's library has errors of its own; the next beat tries again.
            with suppress(Exception):
                found = _told(folder)
                if found and found["token"] == mine:
                    count += 1
                    folder.write(KEY, _sign(mine, count))
                    signed = time.monotonic()
            if (found and found["token"] != mine) or time.monotonic() - signed > patience:
                lost.set()
                return

    thread = threading.Thread(target=live, name="lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        if not lost.is_set() and _is_mine(folder, mine):
            folder.remove(KEY)
    if lost.is_set():
        raise EdmlopsError(
            f"{folder.address} may have been taken over by another run while this one gave no sign of life: see what it says"
        )


def _take(folder: Folder, mine: str, beat: float, patience: float) -> None:
    if folder.create(KEY, _sign(mine, 0)):
        return
    before, until = _told(folder), time.monotonic() + patience
    while time.monotonic() < until:
        time.sleep(beat / 2)
        found = _told(folder)
        if found and before and found != before:
            raise _refusal(folder.address, str(found["owner"]))
        before = found or before
    folder.write(KEY, _sign(mine, 0))
    time.sleep(beat)  # of two that take it at once the one that wrote last has it
    if not _is_mine(folder, mine):
        raise _refusal(folder.address, "which has just begun")


def _sign(token: str, count: int) -> bytes:
    return json.dumps({"owner": this_process(), "token": token, "sign": count}).encode()


def _told(folder: Folder) -> dict[str, object] | None:
    """The last sign of life; None where there is none, or only a part of one, since it is being written."""
    content = folder.read(KEY)
    try:
        sign = json.loads(content or b"")
    except ValueError:
        return None
    return sign if isinstance(sign, dict) and "token" in sign else None


def _is_mine(folder: Folder, token: str) -> bool:
    sign = _told(folder)
    return sign is not None and sign["token"] == token
