"""A file's bytes as text lines: plain or gzip, UTF-8, Latin-1 or UTF-16, whatever ends its lines.

A stream must be seekable: it is read from its start once for the layout and once for each column.
"""

from __future__ import annotations

import codecs
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.meter_csv.cells import BLOCK_BYTES, blocks_of

_GZIP = b"\x1f\x8b"
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_OTHER_KINDS = {
    b"PK\x03\x04": "a zip archive or a spreadsheet (.xlsx, .ods): save or unpack it as CSV",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (.xls): save it as CSV",
    b"PAR1": "a Parquet file: give its name the ending .parquet",
    b"\x89HDF": "an HDF5 file: give its name the ending .h5",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"%PDF": "a PDF document: ask for the readings as CSV",
}


Origin = Path | zipfile.Path | BinaryIO


@dataclass(frozen=True, slots=True)
class Source:
    """A path, a zip's member or a seekable stream of bytes; ``where`` is what messages call it."""

    origin: Origin

    @property
    def where(self) -> str:
        """Its name for people."""
        return str(self.origin) if isinstance(self.origin, Path | zipfile.Path) else "the meter file"

    def blocks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        """The text in blocks of whole lines, each line ended by a line feed alone or after a return.

        Raises:
            DataError: it is absent, damaged, or no text.
        """
        try:
            with ExitStack() as stack:
                file = self._open(stack)
                encoding = self._recoding(file)
                for block in blocks_of(file, size) if encoding is None else _recoded(file, encoding, size):
                    returns_only = b"\r" in block and b"\n" not in block
                    yield block.replace(b"\r", b"\n") if returns_only else block
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            raise DataError(f"{self.where}: the compressed data is damaged ({error}): get it anew") from None
        except UnicodeDecodeError:
            raise DataError(f"{self.where}: its UTF-16 text is damaged: save it as CSV in UTF-8") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise DataError(
                f"{self.where}: can't be read ({reason}): check its path and permissions"
            ) from None

    def _open(self, stack: ExitStack) -> BinaryIO:
        if isinstance(self.origin, Path | zipfile.Path):
            file = cast(BinaryIO, stack.enter_context(self.origin.open("rb")))
        else:
            file = self.origin
        file.seek(0)
        magic = file.read(4)
        file.seek(0)
        for start, kind in _OTHER_KINDS.items():
            if magic.startswith(start):
                raise DataError(f"{self.where}: expected a CSV of readings, found {kind}")
        if magic.startswith(_GZIP):
            return cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=file)))
        return file

    def _recoding(self, file: BinaryIO) -> str | None:
        """The encoding to be turned into UTF-8, if any; a byte order mark is passed over."""
        start = file.read(1024)
        encoding = _UTF16.get(start[:2])
        if encoding is None and b"\0" in start:
            raise DataError(
                f"{self.where}: expected a text table of readings, found binary data; save it as CSV"
            )
        file.seek(3 if start.startswith(codecs.BOM_UTF8) else 2 if encoding else 0)
        return encoding


def _recoded(file: BinaryIO, encoding: str, size: int) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    rest = b""
    while data := file.read(size):
        whole, newline, rest = (rest + decoder.decode(data).encode()).rpartition(b"\n")
        if newline:
            yield whole + newline
    rest += decoder.decode(b"", final=True).encode()
    if rest:
        yield rest
