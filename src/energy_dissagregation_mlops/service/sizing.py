"""How many worker processes the process's share of cores and memory carries.

It reads the control group's limits; it does not know what the workers do.
"""

from __future__ import annotations

import logging
from pathlib import Path

from energy_dissagregation_mlops.cores import available_cores

WORKER_MEMORY = 256 << 20  # bytes that a worker takes while it waits (docs/performance.md)
_LIMITS = (  # of the group's memory, versions 2 and 1; "max", or a number beyond any memory, where there is none
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)

_logger = logging.getLogger(__name__)


def workers_that_fit(wanted: int) -> int:
    """As many workers as wanted, but no more than there are cores, or room in memory; at least 1."""
    memory = _memory_limit()
    room = wanted if memory is None else memory // WORKER_MEMORY
    fitting = max(1, min(wanted, available_cores(), room))
    if fitting < wanted:
        _logger.info(
            "workers: %d in place of %d (cores: %d; memory for %d)", fitting, wanted, available_cores(), room
        )  # fmt: skip
    if not room:
        _logger.error(
            "a worker takes about %d MB, and there is less: it may be killed without a word; raise API_MEMORY",
            WORKER_MEMORY >> 20,
        )  # fmt: skip
    return fitting


def _memory_limit() -> int | None:
    for path in _LIMITS:
        try:
            return int(path.read_text())
        except (OSError, ValueError):
            continue
    return None
