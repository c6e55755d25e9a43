"""The folder that a download ends in: its hidden working files, its lock, and the receipt of what is there.

A receipt says that a target was found right, with each file's size and time, so that a second run needs no
second look at gigabytes. It is written before its target appears: a target without one was put there by
somebody else. It does not know how files arrive.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from energy_dissagregation_mlops.errors import DownloadError
from energy_dissagregation_mlops.files import exclusive, json_text, sync, write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    name: str  # relative to the target; "" for a single file
    size: int  # bytes
    modified: int  # ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was found right, and when it last changed."""

    hash: str | None  # under which it was found right
    url: str
    files: tuple[_Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one target and what belongs to it lie."""

    folder: Path
    name: str

    @property
    def target(self) -> Path:
        """The file or folder that is wanted."""
        return self.folder / self.name

    @property
    def partial(self) -> Path:
        """What has arrived so far."""
        return self.folder / f".{self.name}.partial"

    @property
    def workshop(self) -> Path:
        """The folder in which files are unpacked before they are known to be right."""
        return self.folder / f".{self.name}.unpacking"

    @property
    def _receipt_path(self) -> Path:
        return self.folder / f".{self.name}.receipt.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the place against another download.

        Raises:
            DownloadError: another process holds it.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise DownloadError(f"{self.folder} is a file: expected a folder, name another with --target-dir")
        self.folder.mkdir(parents=True, exist_ok=True)
        running = f"another download to {self.target} is running"
        with exclusive(
            self.folder / f".{self.name}.lock",
            lambda who: DownloadError(f"{running} ({who}): wait for it or stop it, then run this again"),
        ):
            yield

    def receipt(self) -> Receipt | None:
        """The receipt of the target, if that is there and unchanged since it was found right."""
        try:
            text = self._receipt_path.read_text(encoding="utf-8")
            receipt = TypeAdapter(Receipt).validate_json(text)
        except (FileNotFoundError, UnicodeDecodeError, ValidationError):
            return None
        unchanged = self.target.exists() and set(receipt.files) <= set(_entries(self.target))
        return receipt if unchanged else None

    def put(self, ready: Path, *, hash_found: str | None, url: str) -> None:
        """Make what is ready the target, in one step, its receipt first."""
        self.seal(ready, hash_found=hash_found, url=url)
        ready.rename(self.target)
        sync(self.folder)

    def seal(self, content: Path, *, hash_found: str | None, url: str) -> None:
        """Write the receipt of a file or folder that was found right."""
        receipt = Receipt(hash=hash_found, url=url, files=_entries(content))
        write_text(self._receipt_path, json_text(asdict(receipt)))

    def clear_workshop(self) -> None:
        """Remove what a run that was killed has unpacked."""
        shutil.rmtree(self.workshop, ignore_errors=True)


def require_room(folder: Path, needed: int) -> None:
    """Make sure that the disk of ``folder`` has ``needed`` bytes.

    Raises:
        DownloadError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadError(
            f"{folder} has {free / 1e6:,.0f} MB free, expected {needed / 1e6:,.0f} MB for the download and what it unpacks to: "
            "free some space, or choose another folder"
        )


def _entries(content: Path) -> tuple[_Entry, ...]:
    paths = sorted(content.iterdir()) if content.is_dir() else [content]
    return tuple(
        _Entry(
            name="" if path == content else path.name,
            size=path.stat().st_size,
            modified=path.stat().st_mtime_ns,
        )
        for path in paths
    )
