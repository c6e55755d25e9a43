"""Who is let in: as many requests as are computed and wait, and a little fewer while others are turned away.

Whoever is let in the moment a place becomes free waits for a whole request before it. While requests are being refused
there is always another at the door a moment later, so nothing is lost when the last place opens only once what is
computed is half done; who takes it waits half as long.
"""

from __future__ import annotations

import threading
import time

_MEMORY = 0.1  # weight of the newest request in the mean time that one takes
_PRESSURE = 0.05  # s after a refusal for which more are expected
_HELD_BACK = 0.5  # requests a thread that are not let in meanwhile


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
        self._lock = threading.Lock()
        self._begun: dict[int, float] = {}  # s on the clock at which what is computed was begun, by thread
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

    def begin(self) -> None:
        """This thread begins to compute one of those under way."""
        with self._lock:
            self._begun[threading.get_ident()] = time.monotonic()

    def end(self) -> None:
        """This thread is done with what it began."""
        with self._lock:
            seconds = time.monotonic() - self._begun.pop(threading.get_ident())
            self._mean += _MEMORY * (seconds - self._mean)

    def has_room(self) -> bool:
        """Whether one more would be let in now; where not, that counts as a refusal."""
        now = time.monotonic()
        if self.under_way < self._max_concurrent and not self._held_back(now):
            return True
        self._refused = now
        return False

    def wait(self) -> float:
        """Seconds until what is under way should be done."""
        return self.under_way / self._threads * self._mean

    def _held_back(self, now: float) -> bool:
        """Whether others are being refused, and the last place is not open yet."""
        if self.under_way < self._threads or now - self._refused > _PRESSURE:
            return False
        done = sum(
            min(1.0, (now - begun) / self._mean) for begun in self._begun.copy().values() if self._mean
        )
        return self.under_way - done + 1 > self._max_concurrent - _HELD_BACK * self._threads
