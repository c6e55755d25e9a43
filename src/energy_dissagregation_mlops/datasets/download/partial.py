"""A file that has not all arrived, and a sidecar that says of which version of which address it is.

So that a later run, of another process, goes on where this one stopped. The sidecar is written before the
first byte, and a partial file without one that fits counts as nothing. It does not know HTTP.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from energy_dissagregation_mlops.files import json_text, write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which version of which address a partial file holds."""

    url: str
    validator: str | None  # an ETag or a date, for If-Range; without it nothing can be resumed
    total: int | None  # bytes, where the server said so


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """A partial file at ``path`` of what ``url`` sends."""

    path: Path
    url: str

    @property
    def sidecar(self) -> Path:
        """The file beside it that says what it holds."""
        return self.path.with_name(f"{self.path.name}.json")

    def version(self) -> Version | None:
        """What it holds, if that is complete or another request can go on from it."""
        try:
            text = self.sidecar.read_text(encoding="utf-8")
            version = TypeAdapter(Version).validate_json(text)
        except (FileNotFoundError, UnicodeDecodeError, ValidationError):
            return None
        held = self.path.stat().st_size if self.path.exists() else 0
        complete = held == version.total
        resumable = version.validator is not None and held <= (version.total or held)
        return version if held > 0 and version.url == self.url and (complete or resumable) else None

    def held(self) -> int:
        """Bytes that need not be asked for again."""
        return self.path.stat().st_size if self.version() else 0

    def begin(self, version: Version) -> None:
        """Start an empty file of this version, whatever was there."""
        self.discard()
        self.path.touch()
        write_text(self.sidecar, json_text(asdict(version)))

    def discard(self) -> None:
        """Remove it and its sidecar."""
        self.path.unlink(missing_ok=True)
        self.sidecar.unlink(missing_ok=True)
