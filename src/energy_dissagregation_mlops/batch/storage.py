"""A folder anywhere: on a disk, or behind an fsspec address such as s3://bucket/folder.

A file appears whole or not at all. On a disk it is written aside and renamed. Behind an address it is
filled on this machine and sent as one object, which object stores show once it is whole. It does not
know what files hold.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import fsspec
from fsspec.implementations.local import LocalFileSystem

from energy_dissagregation_mlops.errors import ConfigError, one_line
from energy_dissagregation_mlops.files import atomic_file

_MODULES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class File:
    """A file of a folder."""

    key: str  # its path in the folder
    size: int  # bytes
    stamp: str  # what changes with its content: an ETag, or the time of its last change


@dataclass(frozen=True, slots=True)
class Folder:
    """An address; it can be sent to other machines."""

    address: str

    @classmethod
    def at(cls, address: str) -> Self:
        """The folder at an address, its path made absolute.

        Raises:
            ConfigError: nothing here can read such addresses, or what is behind it can't be reached.
        """
        try:
            system, path = fsspec.url_to_fs(address)
            system.exists(path)
        except ImportError:
            module = _MODULES.get(address.partition("://")[0], "its fsspec package")
            raise ConfigError(
                f"{address}: reading such addresses needs {module}: pip install {module}"
            ) from None
        except ValueError as error:
            raise ConfigError(
                f"{address}: {error}; expected a folder, or an address that fsspec knows"
            ) from None
        except Exception as error:  # noqa: BLE001 - each store's library has errors of its own
            raise ConfigError(
                f"{address} can't be reached ({one_line(error, longest=160)}): check the address, the network and the keys"
            ) from None
        return cls(path if isinstance(system, LocalFileSystem) else address.rstrip("/"))

    @property
    def is_local(self) -> bool:
        """Whether it lies on a disk of this machine."""
        return isinstance(self._system, LocalFileSystem)

    def path(self, key: str) -> Path:
        """Where a file of a folder on a disk lies."""
        return Path(self._at(key))

    def exists(self) -> bool:
        """Whether there is such a folder; an object store's are there where they hold something."""
        return bool(self._system.exists(self._at("")))

    def files(self, key: str = "") -> list[File]:
        """All files below ``key`` that are not hidden, in order of their names; none where it is absent."""
        top = self._at("")
        found = self._system.find(self._at(key), detail=True)
        files = [
            File(key=path[len(top) :].lstrip("/"), size=int(about["size"] or 0), stamp=_stamp(about))
            for path, about in found.items()
        ]
        return sorted(file for file in files if not _hidden(file.key))

    def names(self, key: str) -> list[str]:
        """The keys of the files in a folder; none where it is absent."""
        try:
            found = self._system.ls(self._at(key), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return [f"{key}/{path.rpartition('/')[2]}" for path in found]

    def holds_file(self, key: str) -> bool:
        """Whether there is such a file."""
        return bool(self._system.isfile(self._at(key)))

    def read(self, key: str) -> bytes | None:
        """A file's content, or None where it is absent."""
        try:
            content: bytes = self._system.cat_file(self._at(key))
        except FileNotFoundError:
            return None
        return content

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A file to read pieces of, wherever it lies.

        Raises:
            OSError: it is absent or can't be read.
        """
        stream: AbstractContextManager[BinaryIO] = self._system.open(self._at(key), "rb")
        return stream

    def write(self, key: str, content: bytes) -> None:
        """Write a file, whole or not at all.

        Raises:
            EdmlopsError: the disk is full, or the place can't be written.
        """
        with self.filling(key) as path:
            path.write_bytes(content)

    def create(self, key: str, content: bytes) -> bool:
        """Write a file where there is none yet; False where there is one."""
        try:
            self._system.pipe_file(self._at(key), content, mode="create")
        except FileExistsError:
            return False
        return True

    @contextmanager
    def filling(self, key: str) -> Iterator[Path]:
        """A path on this machine to write to; its content is the folder's file at the end of the block.

        Raises:
            EdmlopsError: the disk is full, or the place can't be written.
        """
        if self.is_local:
            with atomic_file(self.path(key)) as aside:
                yield aside
            return
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "file"
            yield path
            self._system.put_file(str(path), self._at(key))

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """A path on this machine to read a file from.

        Raises:
            FileNotFoundError: it is absent.
        """
        if self.is_local:
            yield self.path(key)
            return
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / key.rpartition("/")[2]
            self._system.get_file(self._at(key), str(path))
            yield path

    def remove(self, key: str) -> None:
        """Remove a file, or a folder with all that is in it; absent ones are no matter."""
        with suppress(FileNotFoundError):
            self._system.rm(self._at(key), recursive=True)

    def sweep(self) -> None:
        """Remove the hidden leftovers of processes that were killed; only for the one who writes here."""
        if self.is_local:
            for leftover in self.path("").rglob(".*.partial"):
                leftover.unlink(missing_ok=True)

    @property
    def _system(self) -> Any:
        return fsspec.url_to_fs(self.address)[0]

    def _at(self, key: str) -> str:
        path: str = fsspec.url_to_fs(self.address)[1]
        return f"{path.rstrip('/')}/{key}" if key else path


def _stamp(about: dict[str, Any]) -> str:
    names = ("ETag", "etag", "mtime", "LastModified", "last_modified", "created")
    return str(next((about[name] for name in names if about.get(name)), ""))


def _hidden(key: str) -> bool:
    return any(part.startswith((".", "_")) for part in key.split("/"))
