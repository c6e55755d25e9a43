"""How a long transfer tells where it is; what is drawn from it is the caller's affair."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Stage(StrEnum):
    """What is going on."""

    TRANSFER = "downloading"
    CHECK = "checking"
    UNPACK = "unpacking"


class Progress(Protocol):
    """Called often, with bytes: the first call of a stage says where it starts (a resumed transfer: not at 0).

    ``done`` falls back where a stage begins anew, and ``total`` is None where nobody knows it.
    """

    def __call__(self, stage: Stage, done: int, total: int | None) -> None:
        """Take note that ``done`` of ``total`` bytes of ``stage`` are done."""
        ...


def silent(stage: Stage, done: int, total: int | None) -> None:
    """Progress that nobody watches."""
