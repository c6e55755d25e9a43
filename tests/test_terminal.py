"""Errors in one line, tables that fit, bars that leave no trace, and a start that waits for nothing."""

from __future__ import annotations

import io
import json
import logging
import resource
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
import typer
from rich.console import Console

from energy_dissagregation_mlops import terminal
from energy_dissagregation_mlops.errors import DataError

HEAVY = ("torch", "numpy", "h5py", "pandas", "pyarrow", "onnxruntime", "httpx", "matplotlib", "rich.progress")


@pytest.fixture(autouse=True)
def _logs_as_before():
    logger = logging.getLogger("energy_dissagregation_mlops")
    before = logger.level, logger.handlers, logger.propagate
    yield
    level, logger.handlers, logger.propagate = before
    logger.setLevel(level)


def status_of(raised: BaseException | None, *arguments: str) -> int | str | None:
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)

    @app.command()
    def command() -> None:
        if raised is not None:
            raise raised

    with pytest.raises(SystemExit) as left:
        terminal.run(app, arguments)
    return left.value.code


def test_a_command_may_open_as_many_files_as_the_system_allows():
    before, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, allowed))
    try:
        status_of(None)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, allowed))


@pytest.mark.parametrize(
    ("raised", "status", "errors"),
    [
        (None, 0, ""),
        (DataError("a.csv is\n  not so: do this"), 1, "error: a.csv is not so: do this\n"),
        (OSError(5, "Input/output error", "a.csv"), 1, "error: a.csv: Input/output error\n"),
        (KeyboardInterrupt(), 130, f"error: {terminal.INTERRUPTED}\n"),
        (typer.Exit(0), 0, ""),
    ],
    ids=repr,
)
def test_what_a_command_raises_is_one_line_and_a_status(raised, status, errors, capsys):
    assert status_of(raised) == status
    assert capsys.readouterr() == ("", errors)


def test_a_wrong_option_says_where_help_is(capsys):
    assert status_of(None, "--nonsense") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: No such option: --nonsense") and "--help` shows how)\n" in error
    assert error.count("\n") == 1


def test_debug_and_our_own_faults_show_the_traceback():
    for raised, arguments in ((DataError("wrong"), ["--debug"]), (ZeroDivisionError(), [])):
        with pytest.raises(type(raised)):
            status_of(raised, *arguments)


@pytest.fixture
def screen(monkeypatch):
    """A terminal of 80 columns, and what is written to it."""

    def console(*, is_terminal: bool = True) -> io.StringIO:
        written = io.StringIO()
        made = Console(file=written, width=80, force_terminal=is_terminal, soft_wrap=True, color_system=None)
        monkeypatch.setattr(terminal, "_consoles", {True: made, False: made})
        return written

    return console


WORDS = "kettle, fridge, oven, tv, lamp, radio"


def test_a_table_breaks_words_at_spaces_and_numbers_never(screen):
    written = screen()
    numbers = ["12,345,678 W", "2014-05-15Z0", "0.71 / 0.00", "23.99999 %", "99 of 9999"]
    terminal.show_table("a title", ["name", "words", *"abcde"], [["house", WORDS, *numbers]])
    lines = written.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(number in line for line in lines) for number in numbers)
    shown = {word for line in lines[3:] for word in line.split()}
    assert set(WORDS.split()) <= shown


def test_numbers_stand_to_the_right_and_words_to_the_left(screen):
    written = screen()
    terminal.show_table("", ["name", "W"], [["kettle", "5"], ["tv", "2,500"]])
    assert written.getvalue().splitlines()[-2:] == ["kettle      5", "tv      2,500"]


def test_a_log_holds_no_bar_and_no_empty_line_for_one(screen):
    written = screen(is_terminal=False)
    with terminal.bar("working") as update:
        for done in range(5):
            update(done, 5, "a note")
    assert written.getvalue() == ""


@pytest.mark.parametrize("in_bytes", [False, True])
def test_a_bar_keeps_to_its_line_and_goes_away(in_bytes, screen):
    written = screen()
    with terminal.bar("disaggregating", in_bytes=in_bytes) as update:
        update(2_000_000, 4_000_000, "a note that is far too long for what is left of a line, " * 3)
        update(4_000_000, 4_000_000, "done")
    frames = written.getvalue().replace("\x1b[2K", "\n").replace("\r", "").splitlines()
    shown = [line for line in frames if "disaggregating" in line]
    assert shown and all("━" in line and "left" in line and len(line) <= 82 for line in shown)
    assert written.getvalue().endswith("\x1b[2K")  # the last thing is that its line is cleared


def test_help_waits_for_no_heavy_room():
    program = (
        "import sys, json\nfrom energy_dissagregation_mlops import cli\nsys.argv = ['edmlops', '--help']\n"
        "try:\n    cli.main()\nfinally:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert not set(HEAVY) & set(json.loads(made.stderr))
    # Of the processor's time, which other programs do not lengthen.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    commands = made.stdout[made.stdout.index("Commands:") :].splitlines()[1:]
    assert [line.split()[0] for line in commands if line] == [
        "download", "simulate", "inspect", "preprocess", "train", "tune", "calibrate", "evaluate", "benchmark", "predict", "batch",
        "export", "models", "runs",
    ]  # fmt: skip
    assert not any(line.endswith("...") for line in commands)


@pytest.mark.parametrize(
    ("module", "service"),
    [("torch", "--profile training run --rm train"), ("pyarrow.lib", "--profile cli run --rm cli")],
)
def test_a_package_that_is_not_installed_is_told_with_the_service_that_has_it(
    module: str, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(ModuleNotFoundError(name=module)) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {module.partition('.')[0]} is not installed here") and service in said
    assert said.count("\n") == 1


def test_a_module_of_our_own_that_is_missing_is_our_fault_and_shows_its_traceback() -> None:
    app = typer.Typer()

    @app.command()
    def command() -> None:
        raise ModuleNotFoundError(name="energy_dissagregation_mlops.gone")

    with pytest.raises(ModuleNotFoundError):
        terminal.run(app, [])


def loaded_badly(*, interrupted: bool) -> None:
    """A compiled module's own word for whatever goes wrong while it is being loaded."""
    app = typer.Typer()

    @app.command()
    def command() -> None:
        with suppress(KeyboardInterrupt):
            if interrupted:
                signal.raise_signal(signal.SIGINT)
        raise ImportError("initialization failed")

    terminal.run(app, [])


def test_an_interruption_that_a_library_gives_another_name_is_told_as_one(capsys):
    with pytest.raises(SystemExit) as left:
        loaded_badly(interrupted=True)
    assert (left.value.code, capsys.readouterr().err) == (130, f"error: {terminal.INTERRUPTED}\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(ImportError):
        loaded_badly(interrupted=False)


def test_a_termination_ends_as_ctrl_c_does_with_a_status_of_its_own(capsys):
    app, ended = typer.Typer(), []

    @app.command()
    def command() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            ended.append(True)

    with pytest.raises(SystemExit) as left:
        terminal.run(app, [])
    assert (left.value.code, capsys.readouterr().err) == (143, f"error: {terminal.INTERRUPTED}\n")
    assert ended and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
