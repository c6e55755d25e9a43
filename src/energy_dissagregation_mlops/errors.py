"""The package's errors, all of them.

    EdmlopsError
    ├── UnknownNameError      a name that nothing here answers to (lists the right ones)
    ├── ConfigError           a setting, an option or a YAML file that can't be used
    ├── DataError             a raw file that can't be read as what it is said to be
    │   └── UnsafeFileError   a file that would run code or reach outside itself
    ├── DownloadError         a transfer that failed, or brought something else than expected
    ├── StoreError            processed series that are absent, incomplete or of another period
    ├── BundleError           a model folder that is absent, incomplete or changed
    ├── LeakError             a test house or day that the model has seen
    ├── TrackingError         a store of recorded runs that is empty or can't be read
    ├── ParityError           an exported graph that differs from its network
    ├── UnavailableError      a service that can't answer now: no model, or it is about to stop
    ├── OverloadedError       a service that is asked more than it can do: try again later
    └── TimeLimitError        a request that takes longer than it may

Each is a user's to mend: its message is one line and says what was expected, what was found and
what to do. A broken invariant of our own is an ``assert``, never one of these.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class EdmlopsError(Exception):
    """Anything a user can mend; the command line prints it as one line and exits with 1."""


class UnknownNameError(EdmlopsError):
    """A name that nothing here answers to; the message lists those that exist."""

    def __init__(self, kind: str, name: object, known: Iterable[object], remedy: str = "") -> None:
        # The arguments are kept as they are, so that the error survives the way out of a worker process.
        super().__init__(kind, str(name), tuple(str(item) for item in known), remedy)

    def __str__(self) -> str:
        kind, name, names, remedy = self.args
        close = difflib.get_close_matches(name, names, n=1)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        listed = ", ".join(names) if names else "none"
        return f"no {kind} {name!r}: there is {listed}{guess}{'; ' + remedy if remedy else ''}"


class ConfigError(EdmlopsError):
    """A setting, an option or a configuration file that can't be used."""


class DataError(EdmlopsError):
    """A raw file that can't be read as what it is said to be."""


class UnsafeFileError(DataError):
    """A file that would run code or reach outside itself if it were believed."""


class DownloadError(EdmlopsError):
    """A transfer that failed, or brought something else than was expected."""


class StoreError(EdmlopsError):
    """Processed series that are absent, incomplete or of another sample period."""


class BundleError(EdmlopsError):
    """A model folder that is absent, incomplete or changed since it was written."""


class LeakError(EdmlopsError):
    """A test house or day that the model has seen in training or validation."""


class ParityError(EdmlopsError):
    """An exported graph whose answers differ from its network's."""


class TrackingError(EdmlopsError):
    """A store of recorded runs that is empty, or can't be read."""


class UnavailableError(EdmlopsError):
    """A service that can't answer now: no model can be served, or it is about to stop."""


class OverloadedError(EdmlopsError):
    """A service that is asked more than it can do; ``retry_after`` s later it is worth another try."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class TimeLimitError(EdmlopsError):
    """A request that takes longer than it may."""


def one_line(error: Exception, *, longest: int | None = 120) -> str:
    """What another library's error says, in one line, cut where it is ``longest``; its kind where it says nothing."""
    return " ".join(str(error).split())[:longest] or type(error).__name__


def first_fault(error: ValidationError) -> tuple[str, str, object]:
    """What pydantic found wrong first: where ("" for the whole), what it says of it, and what stands there."""
    first = error.errors()[0]
    said = first["msg"].removeprefix("Value error, ")
    # A tuple is a list in a file, and a record keys with values.
    said = re.sub(" or (an )?instance of .*", "", said).replace("valid tuple", "list")
    return ".".join(str(part) for part in first["loc"]), said, first["input"]
