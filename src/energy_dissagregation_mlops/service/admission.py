"""Who is let in: as many requests as are computed and wait, and while others are turned away one fewer for each thread.

A place to wait keeps a thread from running out of work. While requests are being refused there is always another at the
door a moment later, so nothing is lost without it, and whoever is let in is computed at once.
"""

from __future__ import annotations

import threading
import time

_MEMORY = 0.1  # weight of the newest request in the mean time that one takes
_PRESSURE = 0.05  # s after a refusal for which more are expected


class Admission:
    """Counts what is under way. Safe to use from several threads."""

    def __init__(self, *, threads: int, max_concurrent: int) -> None:
        """Nothing is under way yet.

        Args:
            threads: requests that are computed at a time.
            max_concurrent: requests that are computed or wait.
        """
        self._threads = threads
        self._max_concurrent = max_concurrent
        self._max_under_pressure = min(max_concurrent, max(threads, max_concurrent - threads))
        self._lock = threading.Lock()
        self._mean = 0.0  # s that a request takes of a thread
        self._refused = -_PRESSURE  # s on the clock, of the last refusal
        self.under_way = 0  # requests that are computed or wait

    def enter(self) -> bool:
        """Take a place, where there is one."""
        with self._lock:
            if not self.has_room():
                return False
            self.under_way += 1
            return True

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self.under_way -= 1

    def took(self, seconds: float) -> None:
        """Hear how long a request took of its thread."""
        with self._lock:
            self._mean += _MEMORY * (seconds - self._mean)

    def has_room(self) -> bool:
        """Whether one more would be let in now; where not, that counts as a refusal."""
        now = time.monotonic()
        pressed = now - self._refused <= _PRESSURE
        if self.under_way < (self._max_under_pressure if pressed else self._max_concurrent):
            return True
        self._refused = now
        return False

    def wait(self) -> float:
        """Seconds until what is under way should be done."""
        return self.under_way / self._threads * self._mean
