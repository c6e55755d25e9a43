"""Ctrl-C and termination, put off until a step is whole.

A signal in the middle of a step would leave weights half updated. It does not know what is done
before the signal is given back.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Interruption:
    """The signal that came, if one did."""

    signal: int | None = None


@contextmanager
def put_off() -> Iterator[Interruption]:
    """Keep the first signal until the block ends, then give it back; a second one is not kept.

    Only the main thread is ever sent signals: in another one nothing is put off.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def keep(number: int, _frame: FrameType | None) -> None:
        interruption.signal = number
        give_back()

    for number in SIGNALS:
        signal.signal(number, keep)
    try:
        yield interruption
    finally:
        give_back()
    if interruption.signal is not None:
        signal.raise_signal(interruption.signal)
