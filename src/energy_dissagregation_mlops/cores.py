"""How many processor cores this process may really use, and how processes on them are started.

A container's share is in its control group, which neither ONNX Runtime nor the process count of the
machine looks at.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, resource_tracker
from pathlib import Path

_QUOTA_V2 = Path("/sys/fs/cgroup/cpu.max")  # "max 100000" or "150000 100000"
_QUOTA_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_PERIOD_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def available_cores() -> int:
    """Whole cores, at least 1: the affinity of the process, and no more than its group's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return max(1, affinity if quota is None else min(affinity, int(quota)))


def set_up_threads() -> None:
    """Have torch start as many threads as there are cores to use, and let them sleep when they wait long.

    To be called before torch is first imported.
    """
    # Torch counts the cores of the machine, whatever share of them its control group has.
    os.environ.setdefault("OMP_NUM_THREADS", str(available_cores()))
    # Read at that moment: how often a waiting thread looks before it sleeps. For ever, as is the default, takes the
    # cores from all other work, and with any makes training several times slower.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")


@contextmanager
def pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes for the length of the block; where it is left early they are stopped, not waited for.

    Submit under ``interrupts_held``: that is when processes start.
    """
    # Spawned, not forked: HDF5 and Arrow keep threads and locks that don't survive a fork.
    executor = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
    try:
        yield executor
    except BaseException:
        for process in active_children():
            process.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C until the block ends; a process that is started in it never hears of it.

    Otherwise one that is still importing tells of it by a traceback, and so does one whose start is cut short.
    """
    with interrupts_deferred():
        resource_tracker.ensure_running()  # starting it later would let interrupts in again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Keep Ctrl-C until the block ends, for code that loses what is raised in it: callbacks of C libraries.

    A blocked signal is not enough: one that came before, or to a library's thread, is raised wherever Python runs
    next. Only the main thread is ever interrupted; in any other this does nothing.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: heard.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if heard.is_set():
            signal.raise_signal(signal.SIGINT)


def _quota() -> float | None:
    try:
        if _QUOTA_V2.is_file():
            quota, period = _QUOTA_V2.read_text().split()
            return None if quota == "max" else float(quota) / float(period)
        quota_us = float(_QUOTA_V1.read_text())
        return None if quota_us <= 0 else quota_us / float(_PERIOD_V1.read_text())
    except (OSError, ValueError):
        return None
