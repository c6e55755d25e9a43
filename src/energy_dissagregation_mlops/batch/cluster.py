"""Tasks on Dask: a cluster of this machine's cores, or any that is there already.

A task whose worker dies is given to another. It does not know what tasks do, nor what they return: that stays
where it was made, for fetching it would double what the scheduler has to do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import islice

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed
from distributed.comm.addressing import get_address_host_port
from distributed.comm.core import CommClosedError
from distributed.system import MEMORY_LIMIT

from energy_dissagregation_mlops.cores import available_cores, interrupts_held
from energy_dissagregation_mlops.errors import ConfigError, EdmlopsError

logger = logging.getLogger(__name__)

Arguments = tuple[object, ...]

IN_FLIGHT = 1_000  # tasks that the scheduler holds at once, at least: its memory does not grow with them
TURNS = 2  # tasks in flight for each thread of the cluster, at least
RETRIES = 2  # of a task that failed, as of a network
MEMORY_PER_WORKER = 1_000_000_000  # bytes; with less each, this machine's own cluster has fewer workers
_CONNECT = 20.0  # s
_GONE = (CancelledError, CommClosedError)


@contextmanager
def cluster(scheduler: str | None, *, workers: int | None = None) -> Iterator[Client]:
    """A connection to a scheduler, or to one of this machine's own for the length of the block.

    Args:
        scheduler: as tcp://host:8786; None for this machine.
        workers: processes on this machine, of one thread; None for as many as there are cores
            and memory for.

    Raises:
        ConfigError: nothing answers there.
    """
    logging.getLogger("distributed").setLevel(logging.ERROR)
    quiet = {
        "logging": {"distributed": "error"},
        "distributed.admin.low-level-log-length": 0,
        # A hundred looks and fifty ticks a second: 3 % of a worker's core (docs/log.md).
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.interval": "500ms",
    }
    with dask.config.set(quiet):
        if scheduler is None:
            yield from _local(workers or num_workers())
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
        tell_dashboard(client, drawn=find_spec("bokeh") is not None)
        yield client


def _given(scheduler: str) -> Iterator[Client]:
    try:
        get_address_host_port(scheduler)  # a client with a wrong one leaves by a traceback
        client = Client(scheduler, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--scheduler {scheduler} can't be reached ({str(error)[:120]}): start `dask scheduler`, or check the address"
        ) from None
    try:
        tell_dashboard(client, drawn=True)
        yield client
    finally:
        with suppress(*_GONE):  # to take leave of a scheduler that is gone
            client.close()


def num_workers() -> int:
    """As many as there are cores, and as there is memory for."""
    return max(1, min(available_cores(), MEMORY_LIMIT // MEMORY_PER_WORKER))


def tell_dashboard(client: Client, *, drawn: bool) -> None:
    """Say where the cluster can be watched; without bokeh Dask shows tables of it alone."""
    with suppress(KeyError):  # a scheduler that was started with --no-dashboard
        page = str(client.dashboard_link)
        if drawn:
            logger.info("Dask's dashboard: %s", page)
        else:
            tables = f"{page.removesuffix('/status')}/info/main/workers.html"
            logger.info("Dask's workers: %s (`pip install bokeh` brings its dashboard)", tables)


def carry_out(client: Client, function: Callable[..., object], tasks: Iterable[Arguments]) -> Iterator[int]:
    """Call a function once for each tuple of arguments, on the cluster.

    Yields:
        How many more have ended, each time that some have.

    Raises:
        EdmlopsError: the scheduler is gone, or a task ended every worker that it was given to; or as
            the function.
    """
    waiting = iter(tasks)
    window = max(IN_FLIGHT, TURNS * sum(client.nthreads().values()))

    def submit(count: int) -> list[Future[object]]:
        each = list(islice(waiting, count))
        return client.map(function, *zip(*each, strict=True), pure=False, retries=RETRIES) if each else []

    running = as_completed(submit(window), loop=client.loop)
    free = 0
    try:
        for ended in running.batches():
            for future in ended:
                if future.status != "finished":
                    future.result()  # raises what befell it
            yield len(ended)
            free += len(ended)
            if free >= window // 10 or running.is_empty():  # one message for many
                running.update(submit(free))
                free = 0
    except KilledWorker as error:
        raise EdmlopsError(
            f"a task ended the worker that it was given to, {error.allowed_failures + 1} times ({error.task}): "
            "give workers more memory, and look at their logs"
        ) from None
    except _GONE as error:
        raise EdmlopsError(
            f"the connection to the scheduler was lost ({str(error)[:120]}): what is done is kept, run it again to go on"
        ) from None
