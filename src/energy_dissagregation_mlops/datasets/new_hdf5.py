"""A new HDF5 file whose writes may fail: on a full disk, or at a limit to a file's size.

HDF5 can't let go of a file that it failed to write: it crashes the process when it ends. So it writes through
Python, is told that all went well, and whoever fills the file is told of the failure. It does not know
what the file holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from energy_dissagregation_mlops.cores import interrupts_deferred


class _Outlet:
    """What HDF5 takes for a file that can be read, written and sought in."""

    def __init__(self, descriptor: int) -> None:
        self.failure: OSError | None = None
        self._descriptor = descriptor
        self._at = self._end = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        buffer = bytearray(size)
        self.readinto(memoryview(buffer))
        return bytes(buffer)

    def readinto(self, buffer: memoryview) -> int:
        found = os.pread(self._descriptor, len(buffer), self._at)
        buffer[:] = found.ljust(len(buffer), b"\0")
        self._at += len(buffer)
        return len(buffer)

    def write(self, data: memoryview) -> int:
        begin, self._at = self._at, self._at + len(data)
        self._end = max(self._end, self._at)
        try:
            while begin < self._at and self.failure is None:
                begin += os.pwrite(self._descriptor, data[begin - self._at :], begin)
        except OSError as error:
            self.failure = error
        return len(data)

    def truncate(self, size: int) -> int:
        self._end = size
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            self.failure = self.failure or error
        return size

    def flush(self) -> None:
        """Nothing is held back."""


class NewHdf5:
    """A file to be filled part by part."""

    def __init__(self, file: h5py.File, outlet: _Outlet) -> None:
        self._file = file
        self._outlet = outlet

    @contextmanager
    def filling(self) -> Iterator[h5py.File]:
        """The file, to write a part into. Ctrl-C waits for the end of it: within HDF5 it would get lost.

        Raises:
            OSError: something could not be written, now or earlier; what follows would be lost too.
        """
        with interrupts_deferred():
            yield self._file
        if self._outlet.failure is not None:
            raise self._outlet.failure


@contextmanager
def new_hdf5(path: Path) -> Iterator[NewHdf5]:
    """A new file for the length of the block; the caller removes it where the block fails.

    Raises:
        OSError: something could not be written, at the block's end if not before.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        outlet = _Outlet(descriptor)
        with interrupts_deferred():
            made = NewHdf5(h5py.File(outlet, "w", libver="earliest"), outlet)
        try:
            yield made
        except BaseException:
            with interrupts_deferred():
                made._file.close()
            raise
        with made.filling() as file:
            file.close()
    finally:
        os.close(descriptor)
