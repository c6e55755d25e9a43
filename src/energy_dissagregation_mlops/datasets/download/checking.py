"""Whether a file is the one that was published: its size and its hash.

A hash that a user accepts counts as much as the published one. It does not know where the file came from.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from energy_dissagregation_mlops.datasets.download.progress import Stage
from energy_dissagregation_mlops.datasets.download.sources import AddressError
from energy_dissagregation_mlops.vocabulary import Update

_CHUNK = 1 << 20


class MismatchError(AddressError):
    """A file that is not the one that was published, or not all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a file should be; None where nothing was published."""

    name: str
    size: int | None  # bytes, of the published file only
    published: str | None  # its hash
    accepted: str | None = None  # the hash of another that the user trusts


def digest_of(path: Path, algorithm: str, *, progress: Update) -> str:
    """The file's hash, as "algorithm:hexadecimal digits"."""
    # It tells an accident, not a forger, where the publisher gives no better than MD5.
    digest = hashlib.new(algorithm, usedforsecurity=False)
    total, done = path.stat().st_size, 0
    progress(0, total, Stage.CHECK)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress(done, total, Stage.CHECK)
    return f"{algorithm}:{digest.hexdigest()}"


def confirm(path: Path, expected: Expected, *, progress: Update) -> str | None:
    """The hash under which a file is known to be right; None where there is none to compare with.

    Raises:
        MismatchError: it is another file; the message has the hash that would have to be accepted.
    """
    accepted = expected.accepted
    if accepted and digest_of(path, accepted.partition(":")[0], progress=progress) == accepted:
        return accepted
    size = path.stat().st_size
    wrong_size = expected.size not in (size, None) and not accepted
    if wrong_size and (expected.published is None or _is_a_page(path)):
        kind = "a web page (a login?)" if _is_a_page(path) else "another edition"
        raise MismatchError(f"{expected.name} has {size:,} bytes, expected {expected.size:,}: it is {kind}")
    if expected.published is None:
        return None
    found = digest_of(path, expected.published.partition(":")[0], progress=progress)
    if found == expected.published and not wrong_size:
        return found
    besides = f" (nor is it the accepted {accepted})" if accepted else ""
    raise MismatchError(
        f"{expected.name} has {size:,} bytes and the hash {found}, expected {expected.size or size:,} bytes and "
        f"{expected.published}{besides}: it was damaged on the way, or is another edition; run it again, or if you trust "
        f"this one pass --accept-hash {found}"
    )


def _is_a_page(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(100).lstrip().lower().startswith((b"<!doctype html", b"<html"))
