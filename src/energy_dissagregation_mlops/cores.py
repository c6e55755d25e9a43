"""How many processor cores this process may really use.

A container's share is in its control group, which neither ONNX Runtime nor the process count of the
machine looks at.
"""

from __future__ import annotations

import os
from pathlib import Path

_QUOTA_V2 = Path("/sys/fs/cgroup/cpu.max")  # "max 100000" or "150000 100000"
_QUOTA_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_PERIOD_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def available_cores() -> int:
    """Whole cores, at least 1: the affinity of the process, and no more than its group's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return max(1, affinity if quota is None else min(affinity, int(quota)))


def _quota() -> float | None:
    try:
        if _QUOTA_V2.is_file():
            quota, period = _QUOTA_V2.read_text().split()
            return None if quota == "max" else float(quota) / float(period)
        quota_us = float(_QUOTA_V1.read_text())
        return None if quota_us <= 0 else quota_us / float(_PERIOD_V1.read_text())
    except (OSError, ValueError):
        return None
