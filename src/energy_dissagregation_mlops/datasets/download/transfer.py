"""One address into one partial file, over HTTP: resumed, retried, never trusted.

Resuming asks for a range of the very version that the partial file holds (RFC 9110, sections 13.1.5 and 14).
A version is known by its strong ETag, else by its Last-Modified; where the server gives neither, or ignores
the range, or the file has changed in between, it begins anew. It does not know what the bytes mean, nor
their hash.
"""

from __future__ import annotations

import logging
import random
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache

import httpx

from energy_dissagregation_mlops.datasets.download.partial import Partial, Version
from energy_dissagregation_mlops.datasets.download.place import require_room
from energy_dissagregation_mlops.datasets.download.progress import Stage
from energy_dissagregation_mlops.datasets.download.sources import AddressError
from energy_dissagregation_mlops.errors import DownloadError, one_line
from energy_dissagregation_mlops.files import sync
from energy_dissagregation_mlops.vocabulary import Update

log = logging.getLogger(__name__)

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for a server, and how often to ask it again."""

    timeout: float = 30.0  # s without a byte
    attempts: int = 6  # in a row that get no further than the best one before
    first_wait: float = 1.0  # s, doubled each time
    longest_wait: float = 60.0  # s
    longest_asked: float = 600.0  # s: a server that asks for more is asked again by the user
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What to bring where."""

    partial: Partial
    size: int | None = None  # bytes that it must have; None where anything goes
    unpacked: int = 0  # bytes that unpacking needs beside it; a file of this very size is not an archive


class _TryAgain(Exception):  # noqa: N818 - it asks for something, it isn't an error
    """This attempt is over, another may do better."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait  # s that the server asks for


def fetch(transfer: Transfer, *, patience: Patience, progress: Update) -> bool:
    """Bring all of an address into its partial file, going on from what lies there.

    Returns:
        Whether every byte came in this one call and in one piece; a splice may be to blame for a wrong hash.

    Raises:
        DownloadError: the server refuses, offers another size, asks for too long a pause, or keeps failing;
            what came so far stays for the next run.
        OSError: the disk is full, or can't be written; what came so far stays too.
    """
    partial = transfer.partial
    with _client(patience) as client:
        best, failures = partial.held(), 0
        whole = best == 0
        while True:
            try:
                _attempt(client, transfer, progress)
                sync(partial.path)
                return whole
            except (httpx.TransportError, _TryAgain) as error:
                reached = partial.held()
                failures = 1 if reached > best else failures + 1
                best, whole = max(best, reached), whole and reached == 0
                _pause(error, failures, partial=partial, patience=patience)


def _client(patience: Patience) -> httpx.Client:
    try:
        return httpx.Client(
            timeout=patience.timeout,
            verify=_trusted_authorities(),
            follow_redirects=True,
            # Compressed on the way, a range would count other bytes than the file's.
            headers={"Accept-Encoding": "identity", "User-Agent": "edmlops"},
        )
    except (ValueError, ImportError) as error:
        raise DownloadError(
            f"the proxy that the environment names can't be used ({error}): expected an http or https proxy in HTTPS_PROXY"
        ) from None


@cache
def _trusted_authorities() -> ssl.SSLContext:
    """What httpx would trust, read once: it takes as long as a small file."""
    return httpx.create_ssl_context()


def _attempt(client: httpx.Client, transfer: Transfer, progress: Update) -> None:
    partial = transfer.partial
    version, offset = partial.version(), partial.held()
    if version and version.total == offset:
        progress(offset, offset, Stage.TRANSFER)
        return
    headers = {"Range": f"bytes={offset}-", "If-Range": version.validator or ""} if version else {}
    try:
        with client.stream("GET", partial.url, headers=headers) as response:
            _require_readable(response, partial.url, asked_for_a_part=version is not None)
            if version and response.status_code != httpx.codes.OK:
                total = _require_continuation(response, version, partial)
            else:
                total = _begin(response, partial)
                offset = 0
            if total == offset:
                return  # it was all here, and 416 said so
            _require_size(total, transfer)
            _require_room(transfer, total, offset=offset)
            _receive(response, transfer, total=total, progress=progress)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
        raise DownloadError(
            f"{partial.url} can't be asked for ({error}): expected an http or https address with --url"
        ) from None


def _require_readable(response: httpx.Response, url: str, *, asked_for_a_part: bool) -> None:
    hops = [each.url for each in (*response.history, response)]
    open_hop = next((hop for hop in hops if hop.scheme != "https"), None)
    if open_hop is not None and url.startswith("https:"):
        raise AddressError(f"{url} sends on to {open_hop}: expected an encrypted address")
    answer = f"{response.status_code} {response.reason_phrase}".strip()
    if response.status_code in _PASSING:
        raise _TryAgain(f"the server answers {answer}", _asked_wait(response.headers))
    if response.status_code not in ({200, 206, 416} if asked_for_a_part else {200}):
        raise AddressError(f"{url} answers {answer}: expected the file")
    coding = response.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        raise AddressError(f"{url} sends the file with Content-Encoding {coding!r}: expected it as it is")


def _asked_wait(headers: httpx.Headers) -> float | None:
    """Retry-After in seconds: it is a number of them or a date (RFC 9110, section 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    moment = _date(text)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment else None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _validator(headers: httpx.Headers) -> str | None:
    """What identifies this version to the byte: a strong ETag, else a date that is one."""
    etag: str = headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    modified, sent = _date(headers.get("Last-Modified", "")), _date(headers.get("Date", ""))
    # Only if the file was at rest when it was sent (RFC 9110, section 8.8.2.2).
    if not etag and modified and sent and sent - modified >= timedelta(seconds=1):
        return str(headers["Last-Modified"])
    return None


def _begin(response: httpx.Response, partial: Partial) -> int | None:
    """Note which version begins to arrive; the total that it is said to have."""
    if partial.path.exists():
        log.warning("%s begins anew: what had arrived was of another edition or address", partial.url)
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    partial.begin(Version(url=partial.url, validator=_validator(response.headers), total=total))
    return total


def _require_continuation(response: httpx.Response, version: Version, partial: Partial) -> int | None:
    """The total, if what comes goes on from what is here: some servers send parts without a look at If-Range."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    first, total = (match.group(1), int(match.group(2))) if match else (None, None)
    expected_first = str(partial.held()) if response.status_code == httpx.codes.PARTIAL_CONTENT else None
    validator = _validator(response.headers)
    fits = first == expected_first and total is not None and version.total in (total, None)
    if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        fits = fits and total == partial.held()
    if not fits or validator not in (version.validator, None):
        partial.discard()
        raise _TryAgain("it has changed on the server, so it begins anew")
    return total


def _require_size(offered: int | None, transfer: Transfer) -> None:
    if offered is not None and transfer.size is not None and offered != transfer.size:
        transfer.partial.discard()
        raise AddressError(
            f"{transfer.partial.url} offers {offered:,} bytes, expected {transfer.size:,}: it is another file, or a page "
            "that asks to log in; name the hash of a file that you trust with --accept-hash"
        )


def _require_room(transfer: Transfer, total: int | None, *, offset: int) -> None:
    """Room on the disk for the rest of it, and for what it unpacks to unless it is the file itself."""
    unpacked = 0 if total == transfer.unpacked else transfer.unpacked
    require_room(transfer.partial.path.parent, max((total or 0) - offset, 0) + unpacked)


def _receive(response: httpx.Response, transfer: Transfer, *, total: int | None, progress: Update) -> None:
    expected = transfer.size or total
    with transfer.partial.path.open("ab") as file:
        done = file.tell()
        progress(done, total, Stage.TRANSFER)
        for chunk in response.iter_raw():
            if expected is not None and done + len(chunk) > expected:
                transfer.partial.discard()
                raise AddressError(
                    f"{transfer.partial.url} sends more than the {expected:,} bytes expected: it is another file"
                )
            file.write(chunk)
            done += len(chunk)
            progress(done, total, Stage.TRANSFER)
    if expected is not None and done < expected:
        raise _TryAgain(f"the server stops after {done:,} of {expected:,} bytes")


def _reason(error: Exception, url: str) -> str:
    """What went wrong in a line; of a server that can't be reached, which one it is."""
    said = re.sub(r"^\[Errno -?\d+\] ", "", one_line(error, longest=None)) or type(error).__name__
    return f"{httpx.URL(url).host} can't be reached ({said})" if isinstance(error, _UNREACHED) else said


def _pause(error: Exception, failures: int, *, partial: Partial, patience: Patience) -> None:
    """Wait before another attempt: what the server asks for, else longer each time and a little at random."""
    reason = _reason(error, partial.url)
    held = partial.held()
    kept = f"{held / 1e6:,.1f} MB are kept, and another run goes on from there" if held else "nothing is kept"
    asked = error.wait if isinstance(error, _TryAgain) else None
    if asked is not None and asked > patience.longest_asked:
        raise AddressError(
            f"{partial.url}: {reason} and asks for a pause of {asked:,.0f} s; {kept}"
        ) from None
    if failures >= patience.attempts:
        hint = (
            "; check the network, and HTTPS_PROXY if it has a proxy" if isinstance(error, _UNREACHED) else ""
        )
        raise AddressError(f"{partial.url}: {reason}, {failures} times in a row; {kept}{hint}") from None
    longest = min(patience.longest_wait, patience.first_wait * 2 ** (failures - 1))
    wait = longest * random.uniform(0.5, 1.0) if asked is None else asked
    log.warning("%s: again in %.0f s", reason, wait)
    patience.sleep(wait)
