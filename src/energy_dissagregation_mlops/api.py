"""The API service: `python -m energy_dissagregation_mlops.api`, or `uvicorn energy_dissagregation_mlops.api:app`.

Wiring only; docs/settings.md lists the settings. The first form also knows several workers, sums up their metrics, and
leaves in good order on SIGTERM.
"""

from __future__ import annotations

import dataclasses
import logging
import socket
import sys
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.errors import EdmlopsError
from energy_dissagregation_mlops.service import logs
from energy_dissagregation_mlops.service.rules import Rules
from energy_dissagregation_mlops.service.sizing import workers_that_fit
from energy_dissagregation_mlops.service.supervisor import Supervisor, bound, metrics_folder

if TYPE_CHECKING:
    from fastapi import FastAPI

    from energy_dissagregation_mlops.service.worker import Worker

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the environment says, read once; it goes to the workers as it is."""

    models: Path
    model: str | None
    workers: int
    max_concurrent: int | None
    time_limit: float  # s
    grace_period: float  # s
    rules: Rules
    log_level: str
    log_format: str

    @classmethod
    def from_environment(cls) -> Self:
        """Read the settings.

        Raises:
            ConfigError: a variable can't be used.
        """
        return cls(
            models=settings.MODELS_PATH.value(),
            model=settings.API_MODEL.value(),
            workers=settings.API_WORKERS.value(),
            max_concurrent=settings.API_MAX_CONCURRENT_REQUESTS.value(),
            time_limit=settings.API_TIME_LIMIT.value(),
            grace_period=settings.API_GRACE_PERIOD.value(),
            rules=Rules.from_environment(),
            log_level=settings.LOG_LEVEL.value(),
            log_format=settings.LOG_FORMAT.value(),
        )


def application(options: Options) -> FastAPI:
    """The application, with an engine that starts and stops with it."""
    # Imported here, so that the process which watches over several workers stays small.
    from energy_dissagregation_mlops.registry import Registry
    from energy_dissagregation_mlops.service.app import create_app
    from energy_dissagregation_mlops.service.engine import Engine, EngineLimits

    logs.configure(level=options.log_level, form=options.log_format)
    limits = EngineLimits.sized(
        workers=options.workers, max_concurrent=options.max_concurrent, time_limit=options.time_limit
    )
    engine = Engine(Registry(options.models), limits=limits, model=options.model)
    return create_app(engine, options.rules)


@cache
def _app() -> FastAPI:
    return application(Options.from_environment())


def __getattr__(name: str) -> FastAPI:
    """``app``, made when a server asks for it, so that importing this module asks for no settings."""
    if name == "app":
        return _app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """Serve until stopped."""
    if given := sys.argv[1:]:
        sys.exit(
            f"error: expected no options, found {' '.join(given)}: the server is set up by the environment (API_HOST, "
            "API_PORT, API_KEY_FILE and others, docs/settings.md)"
        )
    try:
        sys.exit(_served(Options.from_environment()))
    except EdmlopsError as error:
        sys.exit(f"error: {error}")


def _served(options: Options) -> int:
    """Answer until a signal says stop; returns the exit status."""
    logs.configure(level=options.log_level, form=options.log_format)
    host = settings.API_HOST.value()
    with bound(host, settings.API_PORT.value()) as listener:
        _logger.info(
            "listening on http://%s:%d", f"[{host}]" if ":" in host else host, listener.getsockname()[1]
        )
        options = dataclasses.replace(options, workers=workers_that_fit(options.workers))
        if options.workers == 1:
            _worker(options).run(listener)
            return 0
        with metrics_folder():
            work = partial(_work, options)
            return Supervisor(
                work, listener=listener, workers=options.workers, grace_period=options.grace_period
            ).run()


def _work(options: Options, channel: socket.socket) -> None:
    """What each of several worker processes does."""
    try:
        _worker(options).run_on_channel(channel)
    except EdmlopsError as error:
        sys.exit(f"error: {error}")


def _worker(options: Options) -> Worker:
    from energy_dissagregation_mlops.service.worker import Worker

    return Worker(make_app=partial(application, options), grace_period=options.grace_period)


if __name__ == "__main__":
    main()
