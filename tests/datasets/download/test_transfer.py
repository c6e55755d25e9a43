from __future__ import annotations

import hashlib
import random
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from energy_dissagregation_mlops.datasets.download.partial import Partial
from energy_dissagregation_mlops.datasets.download.progress import Stage
from energy_dissagregation_mlops.datasets.download.transfer import (
    Patience,
    Transfer,
    _require_readable,
    fetch,
)
from energy_dissagregation_mlops.errors import DownloadError
from energy_dissagregation_mlops.vocabulary import unwatched

Server = Any  # the fixture's class lives in conftest.py, which can't be imported from here


@pytest.fixture
def partial(server: Server, tmp_path: Path) -> Partial:
    return Partial(path=tmp_path / ".file.partial", url=server.url)


def bring(partial: Partial, patience: Patience, *, size: int | None = None) -> bool:
    return fetch(Transfer(partial=partial, size=size), patience=patience, progress=unwatched)


def test_a_file_comes_whole(server: Server, partial: Partial, patience: Patience) -> None:
    assert bring(partial, patience, size=300_000) is True
    assert partial.path.read_bytes() == server.content
    assert server.ranges() == [None]


def test_a_connection_that_drops_three_times_is_resumed_where_it_stopped(
    server: Server, partial: Partial, patience: Patience, waits: list[float]
) -> None:
    server.plan = [server.dropping(100_000), server.dropping(50_000), server.dropping(1)]
    assert bring(partial, patience) is False
    assert partial.path.read_bytes() == server.content
    assert server.ranges() == [None, "bytes=100000-", "bytes=150000-", "bytes=150001-"]
    assert [request.get("If-Range") for request in server.requests] == [None, '"one"', '"one"', '"one"']
    assert len(waits) == 3


def test_progress_of_a_resumed_transfer_starts_where_the_last_run_stopped(
    server: Server, partial: Partial, patience: Patience
) -> None:
    server.plan = [server.dropping(100_000)]
    with pytest.raises(DownloadError):
        fetch(Transfer(partial=partial), patience=Patience(attempts=1), progress=unwatched)
    seen: list[tuple[Stage, int, int | None]] = []
    fetch(
        Transfer(partial=partial),
        patience=patience,
        progress=lambda done, total, stage: seen.append((stage, done, total)),
    )
    assert seen[0] == (Stage.TRANSFER, 100_000, 300_000)
    assert seen[-1] == (Stage.TRANSFER, 300_000, 300_000)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_complete_partial_file_is_not_asked_for_again(
    server: Server, partial: Partial, patience: Patience
) -> None:
    bring(partial, patience)
    assert bring(partial, patience) is False
    assert len(server.requests) == 1


def test_a_server_that_ignores_ranges_begins_anew(
    server: Server, partial: Partial, patience: Patience
) -> None:
    server.plan = [server.dropping(100_000), server.ignoring_ranges()]
    bring(partial, patience)
    assert partial.path.read_bytes() == server.content


def test_a_server_that_ignores_ranges_and_always_drops_is_given_up(
    server: Server, partial: Partial, patience: Patience
) -> None:
    server.otherwise = server.ignoring_ranges(after=100_000)
    with pytest.raises(DownloadError, match=r"4 times in a row; 0.1 MB are kept, and another run goes on"):
        bring(partial, patience)
    assert len(server.requests) == 4


def test_a_file_that_changed_in_between_begins_anew(
    server: Server, partial: Partial, patience: Patience
) -> None:
    other = random.Random(8).randbytes(300_000)
    server.plan = [server.dropping(100_000), server.replaced(other, '"two"')]
    bring(partial, patience)
    assert partial.path.read_bytes() == other


@pytest.mark.parametrize(("size", "etag"), [(300_000, '"two"'), (300_001, '"one"')])
def test_a_part_of_another_version_is_not_spliced_on(
    server: Server, partial: Partial, patience: Patience, size: int, etag: str
) -> None:
    other = random.Random(8).randbytes(size)
    server.plan = [
        server.dropping(100_000),
        server.replaced(other, etag, then=server.ignoring_conditions),
    ]
    bring(partial, patience)
    assert partial.path.read_bytes() == other
    assert server.ranges() == [None, "bytes=100000-", None]


def test_a_part_that_starts_elsewhere_is_not_spliced_on(
    server: Server, partial: Partial, patience: Patience
) -> None:
    wrong = server.answering(206, server.content[7:], Content_Range="bytes 7-299999/300000")
    server.plan = [server.dropping(100_000), wrong]
    bring(partial, patience)
    assert partial.path.read_bytes() == server.content


def test_a_range_beyond_a_file_that_shrank_begins_anew(
    server: Server, partial: Partial, patience: Patience
) -> None:
    shorter = random.Random(9).randbytes(50_000)
    server.plan = [
        server.dropping(100_000),
        server.replaced(shorter, '"two"', then=server.ignoring_conditions),
    ]
    bring(partial, patience)
    assert partial.path.read_bytes() == shorter


def test_without_anything_to_tell_versions_apart_it_begins_anew(
    server: Server, partial: Partial, patience: Patience
) -> None:
    server.headers = {"ETag": 'W/"weak"'}
    server.plan = [server.dropping(100_000)]
    assert bring(partial, patience) is True
    assert server.ranges() == [None, None]
    assert partial.path.read_bytes() == server.content


def test_a_date_of_modification_serves_where_there_is_no_etag(
    server: Server, partial: Partial, patience: Patience
) -> None:
    modified = format_datetime(datetime.now(UTC) - timedelta(days=30), usegmt=True)
    server.headers = {"Last-Modified": modified}
    server.plan = [server.dropping(100_000)]
    bring(partial, patience)
    assert server.requests[1]["If-Range"] == modified
    assert partial.path.read_bytes() == server.content


def test_a_length_that_lies_upwards_ends_in_the_known_size_being_refused(
    server: Server, partial: Partial, patience: Patience
) -> None:
    server.otherwise = server.lying(400_000)
    with pytest.raises(DownloadError, match=r"offers 400,000 bytes, expected 300,000"):
        bring(partial, patience, size=300_000)
    assert not partial.path.exists()


def test_a_length_that_lies_upwards_once_is_resumed_and_then_seen_through(
    server: Server, partial: Partial, patience: Patience
) -> None:
    server.plan = [server.lying(400_000)]
    bring(partial, patience)
    assert partial.path.read_bytes() == server.content


def test_a_length_that_lies_downwards_is_refused_where_the_size_is_known(
    server: Server, partial: Partial, patience: Patience
) -> None:
    server.otherwise = server.lying(200_000)
    with pytest.raises(DownloadError, match=r"offers 200,000 bytes, expected 300,000"):
        bring(partial, patience, size=300_000)


def test_more_than_expected_from_a_server_that_gives_no_length_is_refused(
    server: Server, partial: Partial, patience: Patience
) -> None:
    server.otherwise = server.unbounded
    with pytest.raises(DownloadError, match=r"sends more than the 299,999 bytes expected"):
        bring(partial, patience, size=299_999)
    assert not partial.path.exists()


def test_less_than_expected_from_a_server_that_gives_no_length_is_resumed(
    server: Server, partial: Partial, patience: Patience
) -> None:
    whole, server.content = server.content, server.content[:100_000]
    server.plan = [server.unbounded, server.replaced(whole, '"one"')]
    bring(partial, patience, size=300_000)
    assert partial.path.read_bytes() == whole
    assert server.ranges() == [None, "bytes=100000-"]


def test_a_transfer_of_unknown_length_that_was_complete_is_found_complete(
    server: Server, partial: Partial, patience: Patience
) -> None:
    server.plan = [server.unbounded]
    bring(partial, patience)
    bring(partial, patience)
    assert server.ranges() == [None, "bytes=300000-"]  # answered with 416
    assert partial.path.read_bytes() == server.content


def test_an_overloaded_server_is_asked_again_after_longer_and_longer_pauses(
    server: Server, partial: Partial, patience: Patience, waits: list[float]
) -> None:
    server.plan = [server.answering(503), server.answering(502), server.answering(500)]
    bring(partial, patience)
    assert partial.path.read_bytes() == server.content
    for wait, longest in zip(waits, [1, 2, 4], strict=True):
        assert longest / 2 <= wait <= longest


def test_the_pause_that_a_server_asks_for_in_seconds_is_kept(
    server: Server, partial: Partial, patience: Patience, waits: list[float]
) -> None:
    server.plan = [server.answering(429, Retry_After="17")]
    bring(partial, patience)
    assert waits == [17]


def test_the_pause_that_a_server_asks_for_as_a_date_is_kept(
    server: Server, partial: Partial, patience: Patience, waits: list[float]
) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    server.plan = [server.answering(503, Retry_After=until)]
    bring(partial, patience)
    assert len(waits) == 1 and 80 < waits[0] <= 90


def test_a_server_that_asks_for_an_hour_is_left_alone(
    server: Server, partial: Partial, patience: Patience, waits: list[float]
) -> None:
    server.plan = [server.dropping(100_000), server.answering(429, Retry_After="3600")]
    with pytest.raises(DownloadError, match=r"429 Too Many Requests and asks for a pause of 3,600 s"):
        bring(partial, patience)
    assert len(waits) == 1
    assert partial.held() == 100_000


def test_a_missing_file_is_an_error_at_once(
    server: Server, partial: Partial, patience: Patience, waits: list[float]
) -> None:
    server.otherwise = server.answering(404, b"gone")
    with pytest.raises(DownloadError, match="answers 404 Not Found: expected the file"):
        bring(partial, patience)
    assert waits == [] and not partial.path.exists()


def test_a_missing_file_leaves_what_had_arrived_before(
    server: Server, partial: Partial, patience: Patience
) -> None:
    server.plan = [server.dropping(100_000), server.answering(404)]
    with pytest.raises(DownloadError, match="404"):
        bring(partial, patience)
    assert partial.held() == 100_000


def test_redirects_are_followed(server: Server, partial: Partial, patience: Patience) -> None:
    server.plan = [server.answering(302, Location="/elsewhere")]
    bring(partial, patience)
    assert partial.path.read_bytes() == server.content


def test_an_endless_redirect_is_an_error(server: Server, partial: Partial, patience: Patience) -> None:
    server.otherwise = server.answering(302, Location="/file")
    with pytest.raises(DownloadError, match="can't be asked for"):
        bring(partial, patience)


def test_an_encrypted_address_is_not_left_for_an_open_one() -> None:
    response = httpx.Response(200, request=httpx.Request("GET", "http://example.org/file"))
    with pytest.raises(DownloadError, match="expected an encrypted address"):
        _require_readable(response, "https://example.org/file", asked_for_a_part=False)


def test_a_server_that_stalls_is_asked_again(server: Server, partial: Partial, waits: list[float]) -> None:
    server.plan = [server.stalling(after=100_000, seconds=0.6)]
    bring(partial, Patience(timeout=0.2, sleep=waits.append))
    assert partial.path.read_bytes() == server.content
    assert server.ranges() == [None, "bytes=100000-"]


def test_a_compressed_answer_is_refused(server: Server, partial: Partial, patience: Patience) -> None:
    server.otherwise = server.answering(200, b"x", Content_Encoding="gzip")
    with pytest.raises(DownloadError, match="Content-Encoding 'gzip'"):
        bring(partial, patience)
    assert server.requests[0]["Accept-Encoding"] == "identity"


def test_nobody_listening_is_an_error_after_a_few_attempts(
    tmp_path: Path, patience: Patience, waits: list[float]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file"
        with pytest.raises(
            DownloadError,
            match=r"127\.0\.0\.1 can't be reached \(Connection refused\), 4 times in a row; nothing is kept; check the network",
        ):
            bring(Partial(path=tmp_path / "x", url=url), patience)
    assert len(waits) == 3


def test_a_server_whose_name_nobody_knows_is_named(tmp_path: Path, patience: Patience) -> None:
    with pytest.raises(DownloadError, match=r"nowhere\.invalid can't be reached \((?!\[Errno).*\), 4 times"):
        bring(Partial(path=tmp_path / "x", url="https://nowhere.invalid/file"), patience)


@pytest.mark.parametrize("url", ["ftp://example.org/file", "no address", "http://[::1/file"])
def test_what_is_not_an_address_is_an_error_at_once(
    tmp_path: Path, patience: Patience, waits: list[float], url: str
) -> None:
    with pytest.raises(DownloadError, match="expected an http or https address"):
        bring(Partial(path=tmp_path / "x", url=url), patience)
    assert waits == []


@pytest.mark.parametrize("proxy", ["socks5://localhost:9", "ftp://localhost:9"])
def test_a_proxy_that_cannot_be_used_is_explained(
    server: Server, partial: Partial, patience: Patience, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(DownloadError, match="expected an http or https proxy in HTTPS_PROXY"):
        bring(partial, patience)


def test_too_little_room_is_said_before_anything_is_brought(
    server: Server, partial: Partial, patience: Patience
) -> None:
    with pytest.raises(DownloadError, match=r"MB free, expected [\d,]+ MB for the download and what it"):
        fetch(Transfer(partial=partial, unpacked=10**18), patience=patience, progress=unwatched)
    assert partial.held() == 0


def test_a_partial_file_without_its_sidecar_counts_as_nothing(
    server: Server, partial: Partial, patience: Patience
) -> None:
    partial.path.write_bytes(b"somebody else's")
    bring(partial, patience)
    assert hashlib.md5(partial.path.read_bytes()).digest() == hashlib.md5(server.content).digest()


@pytest.mark.parametrize("sidecar", ["", "{}", '{"url": 1}', "\xff", '["x"]'])
def test_a_damaged_sidecar_counts_as_none(
    server: Server, partial: Partial, patience: Patience, sidecar: str
) -> None:
    server.plan = [server.dropping(100_000), server.answering(404)]
    with pytest.raises(DownloadError):
        bring(partial, patience)
    partial.sidecar.write_text(sidecar, encoding="latin-1")
    bring(partial, patience)
    assert partial.path.read_bytes() == server.content


def test_what_came_from_another_address_is_not_gone_on_from(
    server: Server, partial: Partial, patience: Patience
) -> None:
    server.plan = [server.dropping(100_000), server.answering(404)]
    with pytest.raises(DownloadError):
        bring(partial, patience)
    mirror = Partial(path=partial.path, url=f"{server.url}/mirror")
    assert bring(mirror, patience) is True
    assert server.ranges()[-1] is None
