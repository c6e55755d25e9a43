"""Writing that is whole or absent, locks, and hashes.

A file or folder is written beside its place under a hidden name, synced, and renamed: a reader sees
the old one or the new one, never a part. Leftovers of a killed process are hidden and harmless.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from energy_dissagregation_mlops.errors import EdmlopsError

_PARTIAL = ".partial"
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")  # how numpy's tofile says that the disk is full


def sha256_of(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained_disk_errors(target: Path) -> Iterator[None]:
    """Turn a full disk, a refused permission and the like into one line about ``target``."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or _SHORT_WRITE.search(str(error)):
            free = shutil.disk_usage(_existing_parent(target)).free
            message = (
                f"the disk is full ({free / 1e6:,.0f} MB free): {target} was not written; free some space"
            )
            raise EdmlopsError(f"{message} and run it again, nothing was left half-written") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise EdmlopsError(
                f"no permission for {_blamed(error, target)} ({error.strerror}): choose another place or its owner's account"
            ) from error
        if error.errno in (errno.EISDIR, errno.ENOTDIR):
            raise EdmlopsError(
                f"{target} can't be written ({error.strerror}): expected files in folders, found one in the "
                "other's place; choose another place"
            ) from error
        raise


def _blamed(error: OSError, target: Path) -> str:
    # What is written lies under a hidden name, which says nothing to a user; what is read has its own.
    named = str(error.filename or target)
    return str(target) if _PARTIAL in named else named


def _existing_parent(path: Path) -> Path:
    return next(parent for parent in path.absolute().parents if parent.exists())


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}{_PARTIAL}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


def check_writable(folder: Path) -> None:
    """Make a folder where it is absent, and refuse one that can't be written in, before any work is done for it.

    Raises:
        EdmlopsError: the disk is full, or the place can't be written.
    """
    with explained_disk_errors(folder):
        _make_folder(folder)
        probe = _aside(folder / "probe")
        probe.touch()
        probe.unlink()


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """A path to write to; what lies there at the end replaces ``target`` in one step.

    Raises:
        EdmlopsError: the disk is full, or the place can't be written.
    """
    aside = _aside(target)
    with explained_disk_errors(target):
        _make_folder(target.parent)
        try:
            yield aside
            sync(aside)
            aside.replace(target)
            sync(target.parent)
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """An empty folder to fill; at the end it becomes ``target`` in one step.

    With ``replace`` an older ``target`` changes places with it and is then removed. Where the system can't do that (not
    Linux, some network disks) it is moved away first: whoever is killed then leaves it beside, as ``.<name>.….partial``.

    Raises:
        EdmlopsError: the disk is full, or the place can't be written.
        FileExistsError: ``target`` exists and ``replace`` is not set.
    """
    aside = _aside(target)
    with explained_disk_errors(target):
        try:
            aside.mkdir(parents=True)
            yield aside
            for path in sorted(aside.rglob("*")):
                sync(path)
            sync(aside)
            _put_in_place(aside, target, replace=replace)
            sync(target.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _put_in_place(aside: Path, target: Path, *, replace: bool) -> None:
    try:
        aside.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not replace:
            raise FileExistsError(errno.EEXIST, "exists already", str(target)) from None
        if _exchanged(aside, target):
            return  # what is aside now is the older one
        old = _aside(target)
        try:
            target.rename(old)
            aside.rename(target)
        finally:
            if not target.exists():  # refused or interrupted: the older one goes back
                old.rename(target)
        shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders change places in one step; False where the system can't."""
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    call = getattr(ctypes.CDLL(None), "renameat2", None)
    return call is not None and call(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def this_process() -> str:
    """Who holds a lock, as others are told."""
    return f"process {os.getpid()} on {socket.gethostname()}"


@contextmanager
def exclusive(path: Path, refusal: Callable[[str], EdmlopsError] | None = None) -> Iterator[TextIO]:
    """Hold a lock for the length of the block; the kernel lets go of it however this process ends.

    Args:
        path: its file, which stays and says who has it.
        refusal: the error where another has it, from who that is; without it that one is waited for.
    """
    with explained_disk_errors(path):
        file = path.open("a+", encoding="utf-8")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except BlockingIOError:
            assert refusal is not None
            file.seek(0)
            raise refusal(file.read().strip() or "which one is not known yet") from None
        file.truncate(0)
        file.write(this_process())
        file.flush()
        yield file


def write_text(target: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with atomic_file(target) as aside:
        aside.write_text(text, encoding="utf-8")


def json_text(value: Any) -> str:
    """JSON as this package writes it: sorted, indented, strict, with a last newline."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def sha256_of_json(value: Any) -> str:
    """The SHA-256 of a value, in hexadecimal: the same for the same content, in whatever order its keys stand."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
