"""The wanted fields of an HDF5 table's rows, from chunks that are unpacked here.

h5py alone can't undo the Blosc filter, and puts whole rows of deflated chunks in order, of which a few bytes are
wanted: that takes it twice as long. A chunk is read raw, and its filters are undone here in reverse order, but
for those that its filter mask says were skipped. Checksums beside Blosc are taken off and not compared; any other
checksum or filter is left to h5py. It does not know what the fields mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from energy_dissagregation_mlops.errors import DataError, one_line

# Numbers of the filters: https://github.com/HDFGroup/hdf5_plugins, docs/RegisteredFilterPlugins.md
BLOSC = 32001
_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_UNDONE_HERE = (BLOSC, _DEFLATE, _SHUFFLE, _FLETCHER32)
_CHECKSUM_BYTES = 4

Bytes = NDArray[np.uint8]

_ZlibError: type[Exception] = zlib_ng.error  # type: ignore[assignment]  # its stubs take it for an instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One number of each row: its first byte's place in the row, and its type."""

    offset: int
    dtype: np.dtype[Any]


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


def unpacks(pipeline: Sequence[int]) -> bool:
    """Whether chunks that went through these filters are for ``read_fields``, not for h5py."""
    return BLOSC in pipeline or (len(pipeline) > 0 and set(pipeline) <= {_DEFLATE, _SHUFFLE})


def read_fields(dataset: Any, start: int, stop: int, fields: Sequence[Field]) -> list[NDArray[Any]]:
    """Fields of the rows ``start`` to ``stop`` of a chunked table; ``start`` begins a chunk.

    Returns:
        (stop - start,) of each field, of its type.

    Raises:
        DataError: a chunk is absent, or isn't what its header says.
    """
    step, itemsize = dataset.chunks[0], dataset.dtype.itemsize
    assert start % step == 0 and start < stop <= len(dataset)
    pipeline = filters(dataset)
    found = [np.empty(stop - start, field.dtype) for field in fields]
    for row in range(start, stop, step):
        try:
            mask, raw = dataset.id.read_direct_chunk((row,))
            applied = [code for place, code in enumerate(pipeline) if not mask >> place & 1]
            # What was shuffled first of all is put in order for the wanted fields only.
            shuffled = applied[:1] == [_SHUFFLE]
            chunk = _undone(raw, applied[shuffled:], size=step * itemsize, itemsize=itemsize)
        except (OSError, ValueError, RuntimeError, _ZlibError) as error:
            raise DataError(
                f"{dataset.file.filename}: {dataset.name}: the chunk at row {row:,} can't be decoded ({one_line(error, longest=None)}): "
                "the file is damaged; get it again"
            ) from None
        # The last chunk is stored whole, beyond the table's end.
        wanted = slice(row - start, min(row + step, stop) - start)
        for field, values in zip(fields, found, strict=True):
            if shuffled:
                _unshuffle(chunk.reshape(itemsize, -1), field, into=values[wanted])
            else:
                values[wanted] = _strided(chunk, field, itemsize)[: wanted.stop - wanted.start]
    return found


def _unshuffle(planes: Bytes, field: Field, *, into: NDArray[Any]) -> None:
    """Put a field in order; plane k holds byte k of every row."""
    width = field.dtype.itemsize
    octets = into.view(np.uint8).reshape(-1, width)
    for place in range(width):
        octets[:, place] = planes[field.offset + place, : len(into)]


def _strided(rows: Bytes, field: Field, itemsize: int) -> NDArray[Any]:
    return np.ndarray(rows.size // itemsize, field.dtype, rows, field.offset, (itemsize,))


def _undone(raw: bytes, applied: Sequence[int], *, size: int, itemsize: int) -> Bytes:
    """A chunk's ``size`` bytes before these filters were applied to it."""
    data: Bytes = np.frombuffer(raw, np.uint8)
    for code in reversed(applied):
        if code == BLOSC:
            data = _unpacked(data, size)
        elif code == _DEFLATE:
            data = _inflated(data, size + _CHECKSUM_BYTES)
        elif code == _SHUFFLE:
            data = data.reshape(itemsize, -1).T.ravel()
        else:
            data = data[:-_CHECKSUM_BYTES]
    if data.size != size:
        raise ValueError(f"it holds {data.size:,} bytes instead of {size:,}")
    return data


def _inflated(data: Bytes, most: int) -> Bytes:
    unpacking = zlib_ng.decompressobj()
    inflated = unpacking.decompress(data, most)
    if not unpacking.eof:
        raise ValueError(f"it is cut short, or holds more than {most:,} bytes")
    return np.frombuffer(inflated, np.uint8)


def _unpacked(data: Bytes, size: int) -> Bytes:
    """What Blosc packed; a header that lies is refused: the library would read or write beyond what is there."""
    import blosc2  # a third of a second, and few files need it

    raw = data.tobytes()
    unpacked, packed, _ = blosc2.get_cbuffer_sizes(raw)
    if unpacked != size or packed > len(raw):
        raise ValueError(
            f"its header says {packed:,} bytes that unpack to {unpacked:,}, "
            f"there are {len(raw):,} and {size:,} are needed"
        )
    return np.frombuffer(blosc2.decompress(raw), np.uint8)
