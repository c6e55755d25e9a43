"""Tasks on Dask: a cluster of this machine's cores, or any that is there already.

A task whose worker dies is given to another. It does not know what tasks do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TypeVar

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed
from distributed.comm.core import CommClosedError

from energy_dissagregation_mlops.cores import available_cores, interrupts_held
from energy_dissagregation_mlops.errors import ConfigError, EdmlopsError

Arguments = tuple[object, ...]
Result = TypeVar("Result")

IN_FLIGHT = 1_000  # tasks that the scheduler holds at once: its memory does not grow with their number
RETRIES = 2  # of a task that failed, as of a network
_CONNECT = 20.0  # s
_GONE = (CancelledError, CommClosedError)


@contextmanager
def cluster(scheduler: str | None, *, workers: int | None = None) -> Iterator[Client]:
    """A connection to a scheduler, or to one of this machine's own for the length of the block.

    Args:
        scheduler: as tcp://host:8786; None for this machine.
        workers: processes on this machine, of one thread; None for as many as there are cores.

    Raises:
        ConfigError: nothing answers there.
    """
    logging.getLogger("distributed").setLevel(logging.ERROR)
    quiet = {"logging": {"distributed": "error"}, "distributed.admin.low-level-log-length": 0}
    with dask.config.set(quiet):
        if scheduler is None:
            yield from _local(workers or available_cores())
        else:
            yield from _given(scheduler)


def _local(workers: int) -> Iterator[Client]:
    # Dask reads the container's memory, and gives each worker its share.
    with interrupts_held():
        machine = LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
        )  # fmt: skip
    with machine, Client(machine, set_as_default=False) as client:
        yield client


def _given(scheduler: str) -> Iterator[Client]:
    try:
        client = Client(scheduler, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--scheduler {scheduler} can't be reached ({str(error)[:120]}): start `dask scheduler`, or check the address"
        ) from None
    try:
        yield client
    finally:
        with suppress(*_GONE):  # to take leave of a scheduler that is gone
            client.close()


def results(client: Client, function: Callable[..., Result], tasks: Iterable[Arguments]) -> Iterator[Result]:
    """Call a function once for each tuple of arguments, on the cluster; results come as they are ready.

    Raises:
        EdmlopsError: the scheduler is gone, or a task ended every worker that it was given to; or as
            the function.
    """
    waiting = iter(tasks)

    def submit(arguments: Arguments) -> object:
        return client.submit(function, *arguments, pure=False, retries=RETRIES)

    running = as_completed([submit(each) for each in islice(waiting, IN_FLIGHT)], loop=client.loop)
    try:
        for future in running:
            yield future.result()
            for arguments in islice(waiting, 1):
                running.add(submit(arguments))
    except KilledWorker as error:
        raise EdmlopsError(
            f"a task ended the worker that it was given to, {error.allowed_failures + 1} times ({error.task}): "
            "give workers more memory, and look at their logs"
        ) from None
    except _GONE as error:
        raise EdmlopsError(
            f"the connection to the scheduler was lost ({str(error)[:120]}): what is done is kept, run it again to go on"
        ) from None
