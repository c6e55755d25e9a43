"""The files of a folder or of a zip that is not unpacked, and the columns of a ``.dat`` among them.

A ``.dat`` holds one reading a line: seconds since 1970 (UTC), then one or more numbers, with single spaces
between. It does not know what the numbers measure.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from energy_dissagregation_mlops.errors import DataError, one_line
from energy_dissagregation_mlops.vocabulary import Readings

BLOCK_BYTES = 4 << 20  # about 300,000 lines of "1352500095 599"
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


class Files(Protocol):
    """Files by their names, with ``/`` between folders."""

    path: Path

    def names(self) -> tuple[str, ...]:
        """All of them, in order."""
        ...

    def size(self, name: str) -> int:
        """The bytes of one of them, unpacked."""
        ...

    def open(self, name: str) -> BinaryIO:
        """One of them, to read from its beginning."""
        ...


class Folder:
    """The files of a folder, two levels of folders deep at most."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> tuple[str, ...]:
        """The ``.dat`` files."""
        found = [path for depth in ("*", "*/*", "*/*/*") for path in self.path.glob(f"{depth}.dat")]
        return tuple(sorted(path.relative_to(self.path).as_posix() for path in found))

    def size(self, name: str) -> int:
        """The bytes of one of them."""
        return (self.path / name).stat().st_size

    def open(self, name: str) -> BinaryIO:
        """One of them, to read from its beginning."""
        return (self.path / name).open("rb")


class Zip:
    """The files of a zip."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> tuple[str, ...]:
        """The ``.dat`` files.

        Raises:
            DataError: its directory can't be read.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                return tuple(sorted(name for name in archive.namelist() if name.endswith(".dat")))
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise DataError(
                f"{self.path} can't be read ({error}): the zip is damaged; get it again"
            ) from None

    def size(self, name: str) -> int:
        """The bytes of one of them, unpacked."""
        with zipfile.ZipFile(self.path) as archive:
            return archive.getinfo(name).file_size

    def open(self, name: str) -> BinaryIO:
        """One of them, to read from its beginning."""
        # The handle below is counted: it stays open after the archive, until the member is closed.
        with zipfile.ZipFile(self.path) as archive:
            return cast(BinaryIO, archive.open(name))


def files_at(path: Path) -> Files:
    """The files of a folder or of a zip.

    Raises:
        DataError: it is neither.
    """
    if path.is_dir():
        return Folder(path)
    if path.is_file() and zipfile.is_zipfile(path):
        return Zip(path)
    found = "neither" if path.exists() else "absent"
    raise DataError(f"{path} is {found}: expected a folder or a zip with house_1/labels.dat")


@contextmanager
def opened(files: Files, name: str) -> Iterator[BinaryIO]:
    """One of the files, with what can be wrong with it said in one line.

    Raises:
        DataError: it is absent, damaged or encrypted.
    """
    try:
        with files.open(name) as stream:
            yield stream
    except (KeyError, FileNotFoundError):
        raise DataError(f"{files.path} holds no {name}: expected it beside its labels.dat") from None
    except _DAMAGED as error:
        raise DataError(
            f"{files.path}: {name} can't be read ({one_line(error, longest=None)}): the file is damaged; get it again"
        ) from None


def read_dat(files: Files, name: str, *, width: int, column: int, max_rows: int) -> Iterator[Readings]:
    """One column of a ``.dat`` in the order of its lines, at most ``max_rows`` at a time.

    Args:
        files: where it lies.
        name: its name there.
        width: how many numbers follow the time on each line.
        column: which of them, from 0.
        max_rows: the most readings at a time.

    Raises:
        DataError: a line is not as expected; the message names it.
    """
    names = ["time", *(f"value_{place}" for place in range(width))]
    wanted = ["time", f"value_{column}"]
    with opened(files, name) as stream:
        if files.size(name) == 0:  # a meter that never spoke
            return
        try:
            # Without threads, because only then does an error say which line.
            batches = pc.open_csv(
                stream,
                read_options=pc.ReadOptions(column_names=names, block_size=BLOCK_BYTES, use_threads=False),
                parse_options=pc.ParseOptions(delimiter=" ", quote_char=False),
                convert_options=pc.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.float64()), include_columns=wanted
                ),
            )
            for batch in batches:
                yield from _readings(batch, max_rows=max_rows, where=f"{files.path}: {name}")
        except pa.ArrowInvalid as error:
            reason = one_line(error, longest=None).replace("Row #", "line ")[:160]
            raise DataError(
                f"{files.path}: {name}: {reason}; expected a time and {width} number(s) on each line; correct that line"
            ) from None


def _readings(batch: pa.RecordBatch, *, max_rows: int, where: str) -> Iterator[Readings]:
    time, power = batch.column(0), batch.column(1)
    if time.null_count:
        raise DataError(f"{where} has a line without a time: expected seconds since 1970; correct that line")
    seconds = time.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        watts = power.to_numpy(zero_copy_only=False).astype(np.float32)
    for start in range(0, len(seconds), max_rows):
        rows = slice(start, start + max_rows)
        yield Readings(time=seconds[rows], power=watts[rows])
