"""What a person sees in a terminal: bars while they wait, tables at the end, errors in one line.

Bars, logs and errors go to standard error, results to standard output. Rich is imported when something
is drawn: `edmlops --help` must not wait for it.
"""

from __future__ import annotations

import logging
import resource
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

from energy_dissagregation_mlops.errors import EdmlopsError

if TYPE_CHECKING:
    import typer
    from rich.console import Console

    from energy_dissagregation_mlops.vocabulary import Update

DEBUG = "--debug"
FILE_WIDTH = 160  # columns
# Of the extra "train"; the command line's others are of "cli".
TRAINING_MODULES = ("torch", "onnx", "onnxscript", "mlflow", "optuna", "sqlalchemy")
INTERRUPTED = "interrupted: nothing was left half-written; run it again to go on"


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit: a person's mistake is one line, and a status that is not 0.

    Args:
        app: the commands.
        arguments: in place of the process's; ``--debug`` among them shows tracebacks.
    """
    from typer.exceptions import TyperException

    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = DEBUG in given
    set_up_logging(logging.DEBUG if debug else logging.INFO)
    _allow_open_files()
    status, interrupts = 1, _Interrupts()
    try:
        # Not standalone: what a command raises comes here, where errors are told in one way.
        with interrupts.heard():
            status = app(args=[each for each in given if each != DEBUG], standalone_mode=False) or 0
        problem = INTERRUPTED if status else None
    except KeyboardInterrupt:  # before there was a command, or after it
        problem, status = INTERRUPTED, 130
    except Exception as error:
        # A library that is interrupted while it is being loaded says that it can't be.
        if interrupts.came and not debug:
            problem, status = INTERRUPTED, 130
        elif debug or not isinstance(error, (EdmlopsError, OSError, TyperException, ModuleNotFoundError)):
            raise
        else:
            problem, status = _told(error)
    if problem == INTERRUPTED and interrupts.came:
        status = 128 + interrupts.came
    if problem is not None:
        sys.stderr.write(f"error: {problem}\n")
    sys.exit(status)


def _allow_open_files() -> None:
    # A mapped file keeps its descriptor: 500 houses use up a shell's 1,024.
    now, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a system with another limit behind this one
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, min(allowed, 65_536)), allowed))


class _Interrupts:
    """Ctrl-C and termination, and which of them came."""

    def __init__(self) -> None:
        self.came = 0

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Within the block both raise KeyboardInterrupt, where else they would end the process without a word."""
        default = (signal.SIG_DFL, signal.default_int_handler)  # a shell's background job ignores Ctrl-C
        both = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        before = {number: handler for number, handler in both.items() if handler in default}
        for number in before:
            signal.signal(number, self._hear)
        try:
            yield
        finally:  # nothing is left to be told, and Python's own leaving would show a traceback
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self.came = number
        raise KeyboardInterrupt


def _told(error: Exception) -> tuple[str | None, int]:
    """An error in one line, and the status to exit with."""
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}", 1
    if isinstance(error, ModuleNotFoundError):
        return _missing(error), 1
    message = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
    if isinstance(error, EdmlopsError):
        return message, 1
    context = getattr(error, "ctx", None)
    path = "edmlops" if context is None else context.command_path
    if type(error).__name__ == "NoArgsIsHelpError":  # a group alone: its "error" is its help
        error.show()  # type: ignore[attr-defined]
        return None, 0
    return f"{message} (`{path} --help` shows how)", 2


def _missing(error: ModuleNotFoundError) -> str:
    """Where a command runs whose packages are not installed here: each image holds its own service's."""
    module = (error.name or "").partition(".")[0]
    if module == __package__:
        raise error
    if module in TRAINING_MODULES:
        extra, service = "train", "docker compose --profile training run --rm train"
    else:
        extra, service = "cli", "docker compose --profile cli run --rm cli edmlops"
    return (
        f"{module} is not installed here, and this command needs it: run it in the {extra} service "
        f"(`{service} …`), or install the package with [{extra}]"
    )


class _Lines(logging.Handler):
    """Log records as lines above a bar that may be there."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        errors().print(
            prefix + record.getMessage(), style="yellow" if prefix else "dim", markup=False, highlight=False
        )


def set_up_logging(level: int) -> None:
    """Show this package's log records on standard error."""
    logger = logging.getLogger("energy_dissagregation_mlops")
    logger.setLevel(level)
    logger.handlers = [_Lines()]
    logger.propagate = False


_consoles: dict[bool, Console] = {}


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    if stderr not in _consoles:
        console = Console(stderr=stderr, soft_wrap=True)
        # A file or a pipe has no width: a table in it is as wide as it needs to be.
        _consoles[stderr] = (
            console if console.is_terminal else Console(stderr=stderr, soft_wrap=True, width=FILE_WIDTH)
        )
    return _consoles[stderr]


def errors() -> Console:
    """The console on standard error."""
    return _console(stderr=True)


def output() -> Console:
    """The console on standard output."""
    return _console(stderr=False)


@contextmanager
def bar(title: str, *, in_bytes: bool = False) -> Iterator[Update]:
    """A progress bar for the length of the block, with the time left, and the speed of a transfer."""
    from rich import progress
    from rich.table import Column

    columns: list[progress.ProgressColumn] = [progress.TextColumn("{task.description}")]
    if in_bytes:
        columns += [progress.BarColumn(10), progress.DownloadColumn(), progress.TransferSpeedColumn()]
    else:
        columns += [progress.BarColumn(20), progress.TaskProgressColumn()]
    columns += [progress.TimeElapsedColumn(), progress.TextColumn("left"), progress.TimeRemainingColumn()]
    # The note has what is left of the line: it is cut, and nothing before it.
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns.append(progress.TextColumn("[dim]{task.fields[note]}", table_column=rest))
    # In a log a bar would leave nothing but empty lines.
    shown = errors().is_terminal
    with progress.Progress(
        *columns, console=errors(), transient=True, expand=True, disable=not shown
    ) as drawn:
        task = None

        def update(done: float, total: float | None, note: str = "") -> None:
            nonlocal task
            if task is None:
                # What was there before (a resumed transfer) must not count as speed.
                task = drawn.add_task(title, total=total, completed=int(done), note=note)
            drawn.update(task, completed=done, total=total, note=note)

        yield update


def show_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = ""
) -> None:
    """Print a table: words to the left, numbers to the right; only words are broken into lines, at spaces."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title, caption=caption or None, box=box.SIMPLE_HEAD, title_style="bold",
        title_justify="left", caption_justify="left", show_edge=False, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    lines = list(rows)
    for number, column in enumerate(columns):
        cells = [line[number] for line in lines]
        numbers = any(cell[:1].isdigit() for cell in cells)
        whole = numbers or not any(" " in cell for cell in cells)
        table.add_column(column, justify="right" if numbers else "left", no_wrap=whole, overflow="fold")
    for line in lines:
        table.add_row(*line)
    output().print(table)
