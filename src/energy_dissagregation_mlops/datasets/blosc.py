"""Chunks of an HDF5 table that h5py alone can't decode: those that went through the Blosc filter.

A chunk is read raw, and its filters are undone here in reverse order, but for those that its filter mask
says were skipped. Fletcher checksums are taken off and not compared. It does not know what the rows mean.
"""

from __future__ import annotations

import zlib
from typing import Any

import blosc2
import h5py
import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.errors import DataError

# Numbers of the filters: https://github.com/HDFGroup/hdf5_plugins, docs/RegisteredFilterPlugins.md
BLOSC = 32001
_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_UNDONE_HERE = (BLOSC, _DEFLATE, _SHUFFLE, _FLETCHER32)
_CHECKSUM_BYTES = 4

Rows = NDArray[np.void]  # a structured array: the rows of a table
Bytes = NDArray[np.uint8]


def filters(dataset: Any) -> tuple[int, ...]:
    """The numbers of the filters that the data set's chunks went through, in order of writing."""
    properties = dataset.id.get_create_plist()
    return tuple(properties.get_filter(i)[0] for i in range(properties.get_nfilters()))


def unreadable_filters(dataset: Any) -> tuple[int, ...]:
    """Those of its filters that neither h5py nor this module can undo."""
    pipeline = filters(dataset)
    if BLOSC in pipeline:
        return tuple(number for number in pipeline if number not in _UNDONE_HERE)
    return tuple(number for number in pipeline if not h5py.h5z.filter_avail(number))


def read_rows(dataset: Any, start: int, stop: int) -> Rows:
    """Rows ``start`` to ``stop`` of a chunked table with Blosc among its filters; ``start`` begins a chunk.

    Raises:
        DataError: a chunk is absent, or isn't what its header says.
    """
    step, itemsize = dataset.chunks[0], dataset.dtype.itemsize
    assert start % step == 0 and start < stop <= len(dataset)
    pipeline = filters(dataset)
    # The last chunk is stored whole, beyond the table's end: room for it, and a view without it.
    rows = np.empty(-(-(stop - start) // step) * step, dataset.dtype)
    for number, chunk in enumerate(rows.view(np.uint8).reshape(-1, step * itemsize)):
        row = start + number * step
        try:
            mask, raw = dataset.id.read_direct_chunk((row,))
            applied = [code for place, code in enumerate(pipeline) if not mask >> place & 1]
            _undo(raw, chunk, applied=applied, itemsize=itemsize)
        except (OSError, ValueError, RuntimeError, zlib.error) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"{dataset.file.filename}: {dataset.name}: the chunk at row {row:,} can't be decoded ({reason}): "
                "the file is damaged; get it again"
            ) from None
    return rows[: stop - start]


def _undo(raw: bytes, chunk: Bytes, *, applied: list[int], itemsize: int) -> None:
    """Undo the filters that were applied to a chunk's raw bytes, into its place."""
    if applied == [BLOSC]:  # as PyTables writes: no copy between
        _check_header(raw, expected=chunk.size)
        blosc2.decompress(raw, dst=chunk)
        return
    data: Bytes = np.frombuffer(raw, np.uint8)
    for code in reversed(applied):
        if code == BLOSC:
            _check_header(raw=data.tobytes(), expected=chunk.size)
            data = np.frombuffer(blosc2.decompress(data), np.uint8)
        elif code == _DEFLATE:
            inflated = zlib.decompressobj().decompress(data.tobytes(), chunk.size + _CHECKSUM_BYTES)
            data = np.frombuffer(inflated, np.uint8)
        elif code == _SHUFFLE:
            data = data.reshape(itemsize, -1).T.ravel()
        else:
            data = data[:-_CHECKSUM_BYTES]
    if data.size != chunk.size:
        raise ValueError(f"it holds {data.size:,} bytes instead of {chunk.size:,}")
    chunk[:] = data


def _check_header(raw: bytes, *, expected: int) -> None:
    """Refuse a header that lies: the library would read or write beyond what is there."""
    unpacked, packed, _ = blosc2.get_cbuffer_sizes(raw)
    if unpacked != expected or packed > len(raw):
        raise ValueError(
            f"its header says {packed:,} bytes that unpack to {unpacked:,}, "
            f"there are {len(raw):,} and {expected:,} are needed"
        )
