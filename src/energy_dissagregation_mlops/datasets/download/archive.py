"""Files out of a zip or 7z archive that nobody vouches for.

Files are found by their name alone, in whatever folder of the archive, and written under that name: an
archive can't choose a place. Names that try to, links, doubles, and more bytes than expected are refused.
It does not know hashes, beyond the archive's own checks.
"""

from __future__ import annotations

import errno
import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import py7zr
from py7zr.exceptions import ArchiveError

from energy_dissagregation_mlops.datasets.download.checking import MismatchError
from energy_dissagregation_mlops.datasets.download.progress import Stage
from energy_dissagregation_mlops.errors import UnsafeFileError, one_line
from energy_dissagregation_mlops.vocabulary import Update

_CHUNK = 1 << 20
_DRIVE = re.compile("[A-Za-z]:")


class _Spill(Exception):  # noqa: N818 - becomes a MismatchError where the archive is known
    """More came out of an archive than it said."""


_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    ArchiveError,
    py7zr.PasswordRequired,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,  # in a name
    _Spill,
)


class Kind(StrEnum):
    """What a file is by its first bytes."""

    ZIP = "zip"
    SEVEN_ZIP = "7z"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to take out of an archive."""

    names: tuple[str, ...]
    most: int  # bytes, all of them together


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    path: str  # in the archive
    size: int  # bytes that it is said to unpack to
    plain: bool  # neither a link nor encrypted


def kind_of(path: Path) -> Kind:
    """What the file is by its first bytes, whatever its name says."""
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"PK\x03\x04"):
        return Kind.ZIP
    return Kind.SEVEN_ZIP if start == b"7z\xbc\xaf\x27\x1c" else Kind.OTHER


def unpack(archive: Path, folder: Path, *, wanted: Wanted, progress: Update) -> None:
    """Write the wanted files of a zip or 7z archive into an existing, empty folder.

    Raises:
        MismatchError: the archive is damaged or lacks one of them.
        UnsafeFileError: it holds a name that leaves its folder, a link, a name twice, or more than expected.
    """
    reader = _unpack_zip if kind_of(archive) is Kind.ZIP else _unpack_7z
    with _explained(archive):
        reader(archive, folder, wanted, progress)


@contextmanager
def _explained(archive: Path) -> Iterator[None]:
    """Turn what the readers of damaged archives raise into one error; a full disk stays what it is."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EINVAL:  # an offset in the archive that lies before its start
            raise
        raise _damaged(archive, error) from None
    except _DAMAGE as error:
        raise _damaged(archive, error) from None


def _damaged(archive: Path, error: Exception) -> MismatchError:
    reason = one_line(error, longest=None)
    return MismatchError(
        f"{archive.name} is not the whole, sound archive that was expected ({reason}): run it again to download it anew"
    )


def _chosen(members: Sequence[_Member], archive: Path, wanted: Wanted) -> Mapping[str, str]:
    """Wanted name of each path to take out, after everything that makes an archive unsafe is ruled out."""
    for member in members:
        path = PurePosixPath(member.path.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or _DRIVE.match(member.path):
            raise UnsafeFileError(
                f"{archive.name} holds the name {member.path!r}, which leaves its folder: expected plain names; don't trust it"
            )
    found = [member for member in members if PurePosixPath(member.path).name in wanted.names]
    chosen = {member.path: PurePosixPath(member.path).name for member in found}
    missing = [name for name in wanted.names if name not in chosen.values()]
    if missing:
        raise MismatchError(
            f"{archive.name} lacks {', '.join(missing[:5])}: expected {len(wanted.names)} files, "
            f"found {len(set(chosen.values()))}; it is another archive"
        )
    if len(found) > len(wanted.names):
        raise UnsafeFileError(f"{archive.name} holds a file twice: expected each once; don't trust it")
    if not all(member.plain for member in found):
        raise UnsafeFileError(
            f"{archive.name} holds a link or an encrypted file: expected plain ones; don't trust it"
        )
    total = sum(member.size for member in found)
    if total > wanted.most:
        raise UnsafeFileError(
            f"{archive.name} would unpack to {total:,} bytes, expected at most {wanted.most:,}; don't trust it"
        )
    return chosen


def _unpack_zip(archive: Path, folder: Path, wanted: Wanted, progress: Update) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = [
            _Member(
                path=info.filename,
                size=info.file_size,
                plain=not stat.S_ISLNK(info.external_attr >> 16) and not info.flag_bits & 1,
            )
            for info in opened.infolist()
            if not info.is_dir()
        ]
        chosen = _chosen(members, archive, wanted)
        meter = _Meter(
            total=sum(member.size for member in members if member.path in chosen), progress=progress
        )
        for path, name in chosen.items():
            with opened.open(path) as source, (folder / name).open("xb") as target:
                while chunk := source.read(_CHUNK):
                    meter.count(chunk)
                    target.write(chunk)


def _unpack_7z(archive: Path, folder: Path, wanted: Wanted, progress: Update) -> None:
    # Given a file and not a path, py7zr stays in this thread: an interruption stops it at once.
    with archive.open("rb") as file, py7zr.SevenZipFile(file) as opened, ExitStack() as targets:
        members = [
            _Member(path=info.filename, size=info.uncompressed, plain=info.is_file)
            for info in opened.list()
            if not info.is_directory
        ]
        chosen = _chosen(members, archive, wanted)
        meter = _Meter(
            total=sum(member.size for member in members if member.path in chosen), progress=progress
        )
        opened.extract(folder, targets=list(chosen), factory=_Targets(folder, meter, targets))


class _Meter:
    """Counts what comes out, and stops it at what it was said to be."""

    def __init__(self, *, total: int, progress: Update) -> None:
        self._done = 0
        self._total = total
        self._progress = progress
        progress(0, total, Stage.UNPACK)

    def count(self, chunk: bytes | bytearray) -> None:
        self._done += len(chunk)
        if self._done > self._total:
            raise _Spill(f"more than the {self._total:,} bytes that it declares")
        self._progress(self._done, self._total, Stage.UNPACK)


class _Target(py7zr.Py7zIO):
    """A file to write to, in the shape that py7zr wants."""

    def __init__(self, file: BinaryIO, meter: _Meter) -> None:
        self._file = file
        self._meter = meter

    def write(self, s: bytes | bytearray) -> int:
        self._meter.count(s)
        return self._file.write(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def size(self) -> int:
        return self._file.tell()


class _Targets(py7zr.WriterFactory):
    """Opens the file that a member goes to, by its name alone."""

    def __init__(self, folder: Path, meter: _Meter, opened: ExitStack) -> None:
        self._folder = folder
        self._meter = meter
        self._opened = opened

    def create(self, filename: str) -> py7zr.Py7zIO:
        file = self._opened.enter_context((self._folder / Path(filename).name).open("xb"))
        return _Target(file, self._meter)
