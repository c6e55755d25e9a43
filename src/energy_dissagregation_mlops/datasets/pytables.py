"""Tables that pandas writes with PyTables, read with h5py alone, and nothing outside the file.

A table's row is an ``index`` (a time) and one or more ``values_block_N`` of numbers, whose columns are a
pickled list in an attribute. Links that lead elsewhere, external storage and virtual data sets are refused:
they would read other files. It does not know which table is which meter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.datasets import chunks
from energy_dissagregation_mlops.datasets.metadata import MAX_BYTES, load_metadata
from energy_dissagregation_mlops.errors import DataError, UnsafeFileError, one_line
from energy_dissagregation_mlops.vocabulary import Readings

Node: TypeAlias = Any  # an h5py File, Group or Dataset: h5py has no types

MAX_CHUNK_BYTES = 256 << 20  # PyTables' own are 64 kB
MAX_READ_BYTES = 2 << 20  # what is made of it stays in the processor's cache: half the time of 32 MB at once
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_H5PY_ERRORS = (OSError, KeyError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of numbers: the block that holds it, its place there, and its label."""

    block: str
    place: int
    label: tuple[str, ...]  # ("power", "active")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that was looked at and may be read."""

    dataset: Node
    ticks_per_second: int
    columns: tuple[Column, ...]  # over all blocks, in the order of the file


@contextmanager
def open_hdf5(path: Path) -> Iterator[Node]:
    """The file, open for reading.

    Raises:
        DataError: it is absent, is not HDF5, or is truncated.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file: expected an HDF5 file; correct the path")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if not h5py.is_hdf5(path):
            raise DataError(
                f"{path} is not an HDF5 file: expected one in NILMTK's layout; is it still zipped?"
            ) from None
        raise DataError(
            f"{path} can't be opened ({one_line(error, longest=None)}): it may be cut short; get it again"
        ) from None
    with file:
        yield file


@contextmanager
def _explained(node: Node, what: str) -> Iterator[None]:
    try:
        yield
    except _H5PY_ERRORS as error:
        raise DataError(
            f"{place_of(node)}: {what} can't be read ({one_line(error, longest=200)}): the file is damaged; get it again"
        ) from error


def place_of(node: Node) -> str:
    """The file and the place in it, for a message."""
    return f"{node.file.filename}: {node.name}"


def child(group: Node, name: str) -> Node:
    """The group or data set of this name in a group.

    Raises:
        DataError: there is none.
        UnsafeFileError: the name is a link that leads elsewhere.
    """
    with _explained(group, name):
        links = group.id.links
        if not links.exists(name.encode()):
            raise DataError(f"{place_of(group)}: {name} is absent: expected it in NILMTK's layout")
        # Asked of the link itself: h5py's own tests would follow it first.
        if links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise UnsafeFileError(
                f"{place_of(group)}: {name} is a link that leads elsewhere, perhaps to another file: refused; "
                "copy what it points to into the file"
            )
        return group[name]


def text_attribute(node: Node, name: str) -> bytes | str | None:
    """An attribute's text, or None where it is absent or empty.

    Raises:
        DataError: it holds something else, or is too long.
    """
    with _explained(node, f"attribute {name}"):
        if not h5py.h5a.exists(node.id, name.encode()):
            return None
        stored = node.attrs.get_id(name)
        if stored.get_space().get_simple_extent_type() == h5py.h5s.NULL:
            return None
        size = stored.get_storage_size()
        if size > MAX_BYTES:
            raise UnsafeFileError(
                f"{place_of(node)}: attribute {name} is {size:,} bytes long: refused; at most {MAX_BYTES:,} are read"
            )
        value = node.attrs[name]
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, np.void):
        return value.tobytes()
    if not isinstance(value, bytes | str):
        raise DataError(
            f"{place_of(node)}: attribute {name} is {type(value).__name__}: expected text or bytes"
        )
    return value or None


def open_table(group: Node) -> Table:
    """The table of a meter's group.

    Raises:
        DataError: it is absent, incomplete, or not as pandas writes one.
        UnsafeFileError: its data lie in another file.
    """
    dataset = child(group, "table")
    with _explained(group, "table"):
        _check_storage(dataset)
        _check_rows(dataset)
        columns = tuple(_columns(dataset))
    if not columns:
        raise DataError(f"{place_of(dataset)} holds no values_block_0: expected columns of numbers")
    return Table(dataset=dataset, ticks_per_second=_ticks_per_second(dataset), columns=columns)


def _check_storage(dataset: Node) -> None:
    place = place_of(dataset)
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1:
        raise DataError(f"{place} is not a table: expected rows in one dimension")
    if dataset.external or dataset.is_virtual:
        raise UnsafeFileError(f"{place} keeps its data in another file: refused; copy them into this one")
    itemsize, rows = dataset.dtype.itemsize, len(dataset)
    if dataset.chunks is None:
        stored, needed = dataset.id.get_storage_size(), rows * itemsize
    else:
        if dataset.chunks[0] * itemsize > MAX_CHUNK_BYTES:
            raise DataError(f"{place} has chunks above {MAX_CHUNK_BYTES:,} bytes: rewrite it with ptrepack")
        stored, needed = dataset.id.get_num_chunks(), -(-rows // dataset.chunks[0])
    # Absent storage would be read as zeros, for as many rows as the header cares to claim.
    if stored < needed:
        raise DataError(
            f"{place} says {rows:,} rows and does not hold them: the file is damaged; get it again"
        )
    if unreadable := chunks.unreadable_filters(dataset):
        raise DataError(
            f"{place} is compressed with HDF5 filter {unreadable[0]}, which can't be undone here: expected zlib or "
            "Blosc; rewrite the file with ptrepack --complib=zlib --complevel=5"
        )


def _check_rows(dataset: Node) -> None:
    dtype = dataset.dtype
    found = f"{place_of(dataset)} has rows of {str(dtype)[:80]}"
    if dtype.names is None or dtype.hasobject or dtype.itemsize != dataset.id.get_type().get_size():
        raise DataError(f"{found}: expected an index and blocks of numbers; write it with pandas' to_hdf")
    if "index" not in dtype.names or dtype["index"].kind != "i" or dtype["index"].itemsize != 8:
        raise DataError(f"{found}: expected an index of 64-bit times; write it with pandas' to_hdf")


def _columns(dataset: Node) -> Iterator[Column]:
    for block in sorted(name for name in dataset.dtype.names if re.fullmatch(r"values_block_\d+", name)):
        field = dataset.dtype[block]
        kind = text_attribute(dataset, f"{block}_kind")
        labels = load_metadata(kind, where=f"{place_of(dataset)}: {block}_kind") if kind is not None else None
        width = int(np.prod(field.shape, dtype=np.int64))
        if field.base.kind not in "fiu" or not isinstance(labels, list) or len(labels) != width:
            raise DataError(
                f"{place_of(dataset)}: {block} is {field}, labelled {str(labels)[:80]}: "
                "expected numbers and a label for each; write it with pandas' to_hdf"
            )
        for place, label in enumerate(labels):
            parts = label if isinstance(label, list | tuple) else (label,)
            yield Column(block=block, place=place, label=tuple(str(part) for part in parts))


def _ticks_per_second(dataset: Node) -> int:
    """How many steps of the index make a second; before pandas named a unit it was always 1 ns."""
    raw = text_attribute(dataset, "index_kind") or "datetime64"
    kind = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    match = re.fullmatch(r"datetime64(?:\[(s|ms|us|ns)(?:, .+)?\])?", kind)
    if match is None:
        raise DataError(
            f"{place_of(dataset)} has an index of kind {kind[:40]!r}: expected times (datetime64)"
        )
    return _PER_SECOND[match[1] or "ns"]


def read_column(table: Table, column: Column, *, max_rows: int) -> Iterator[Readings]:
    """One column's readings in the order of the file, at most ``max_rows`` (T) at a time.

    Raises:
        DataError: a part of the table can't be decoded.
    """
    dataset = table.dataset
    fields = [_field(dataset, "index", 0), _field(dataset, column.block, column.place)]
    rows, itemsize = len(dataset), dataset.dtype.itemsize
    chunk = dataset.chunks[0] if dataset.chunks else 1
    # Whole chunks, so that none is decompressed twice.
    step = max(chunk, min(max_rows, MAX_READ_BYTES // itemsize) // chunk * chunk)
    unpacks = chunks.unpacks(chunks.filters(dataset))
    read = chunks.read_fields if unpacks else _read_by_h5py
    for start in range(0, rows, step):
        ticks, values = read(dataset, start, min(start + step, rows), fields)
        with np.errstate(over="ignore"):
            power = values.astype(np.float32, copy=False)
        time = ticks / table.ticks_per_second
        for first in range(0, len(time), max_rows):
            part = slice(first, first + max_rows)
            yield Readings(time=time[part], power=power[part])


def _field(dataset: Node, block: str, place: int) -> chunks.Field:
    dtype, offset = dataset.dtype.fields[block][:2]
    return chunks.Field(offset=offset + place * dtype.base.itemsize, dtype=dtype.base)


def _read_by_h5py(dataset: Node, start: int, stop: int, fields: Sequence[chunks.Field]) -> list[NDArray[Any]]:
    with _explained(dataset, f"rows {start:,} to {stop:,}"):
        rows = dataset[start:stop]
    itemsize = rows.dtype.itemsize
    return [np.ndarray(len(rows), each.dtype, rows, each.offset, (itemsize,)) for each in fields]
