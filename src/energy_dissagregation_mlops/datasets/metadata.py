"""Metadata that a file carries as pickles, read without running anything.

NILMTK and pandas store dictionaries and lists of a file's attributes as pickles, and a pickle is a program.
Here it is scanned first: only opcodes that build plain data may be in it, so nothing is imported and
nothing is called. What comes out is plain: dictionaries, lists, tuples, text, numbers, booleans, None.
It does not know what the metadata means.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import NoReturn, TypeAlias, Union

from energy_dissagregation_mlops.errors import DataError, UnsafeFileError, one_line

Plain: TypeAlias = Union[
    "dict[Plain, Plain]", "list[Plain]", "tuple[Plain, ...]", str, int, float, bool, None
]

MAX_BYTES = 4 << 20  # UK-DALE's largest attribute is under 100 kB
MAX_NODES = 1_000_000  # items after shared parts are counted where they are used: "billion laughs" exceed it
MAX_DEPTH = 50

_BUILD_PLAIN_DATA = """
    PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
    EMPTY_DICT DICT SETITEM SETITEMS
    PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
"""
_PLAIN_OPCODES = frozenset(_BUILD_PLAIN_DATA.split())
_MEMO_WRITES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_BROKEN = (
    pickle.UnpicklingError,
    ValueError,  # also what text that isn't UTF-8 raises
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
)


class _Refusing(pickle.Unpickler):
    """The second lock: were the scan wrong, looking a name up would still end here."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")

    def persistent_load(self, pid: object, /) -> NoReturn:
        raise pickle.UnpicklingError("it asks for an object outside itself")


def load_metadata(attribute: bytes | str, *, where: str) -> Plain:
    """The plain data that a pickled attribute holds.

    Args:
        attribute: the pickle, as the file gives it: bytes, or text of the same characters.
        where: the file and the attribute, for the message.

    Raises:
        UnsafeFileError: it would import, call or build anything but plain data, or grow beyond bounds.
        DataError: it is not a pickle, or a broken one.
    """
    raw = attribute.encode("utf-8", "surrogateescape") if isinstance(attribute, str) else attribute
    if len(raw) > MAX_BYTES:
        _refuse(where, f"it is {len(raw):,} bytes long, and at most {MAX_BYTES:,} are read")
    try:
        _scan(raw, where)
        # Old files were written by Python 2, whose byte strings become text here.
        value = _Refusing(io.BytesIO(raw), encoding="utf-8", errors="replace").load()
    except _BROKEN as error:
        raise DataError(
            f"{where} is not a pickle that can be read ({one_line(error)}): the file is damaged"
        ) from None
    _check_plain(value, where)
    return value  # type: ignore[no-any-return]  # checked on the line above


def _refuse(where: str, reason: str) -> NoReturn:
    raise UnsafeFileError(
        f"{where} is refused: {reason}; expected plain text, numbers, lists and dictionaries; "
        "nothing of it was run; get the file from its publisher, or write it anew"
    )


def _scan(raw: bytes, where: str) -> None:
    """Refuse every opcode but those that build plain data."""
    for opcode, argument, _position in pickletools.genops(raw):
        if opcode.name not in _PLAIN_OPCODES:
            asked = f" ({argument})" if isinstance(argument, str) else ""
            _refuse(where, f"the pickle holds {opcode.name}{asked[:80]}, which may run code")
        # The memo is an array as long as its largest index: a few bytes could ask for gigabytes.
        if opcode.name in _MEMO_WRITES and isinstance(argument, int) and argument > len(raw):
            _refuse(where, f"the pickle asks for a memo of {argument:,} entries")


def _check_plain(value: object, where: str) -> None:
    """Refuse what is too large or too deep once shared parts are counted where they are used."""
    pending: list[tuple[object, int]] = [(value, 0)]
    nodes = 0
    while pending:
        item, depth = pending.pop()
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            _refuse(where, f"it unfolds to more than {MAX_NODES:,} items or {MAX_DEPTH} levels")
        if isinstance(item, dict):
            pending.extend((part, depth + 1) for pair in item.items() for part in pair)
        elif isinstance(item, list | tuple):
            pending.extend((part, depth + 1) for part in item)
        else:
            assert item is None or isinstance(item, str | int | float), type(item)
