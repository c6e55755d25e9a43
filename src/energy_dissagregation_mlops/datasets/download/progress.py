"""What a long transfer tells of where it is."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """What is going on; its progress is in bytes, and begins where it starts (a resumed transfer: not at 0)."""

    TRANSFER = "downloading"
    CHECK = "checking"
    UNPACK = "unpacking"
