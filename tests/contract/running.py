"""A real server on a free port, in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.app import create_app
from energy_dissagregation_mlops.service.engine import Engine, EngineLimits
from energy_dissagregation_mlops.service.rules import Rules

KEY = "secret"


def app_of(registry: Registry, rules: Rules) -> FastAPI:
    return create_app(
        Engine(registry, limits=EngineLimits(threads=2, max_concurrent=64, time_limit=60)), rules
    )


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """A real server on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
