from __future__ import annotations

import contextlib
import io
import random
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_dissagregation_mlops.datasets.download.archive import Kind, Wanted, kind_of, unpack
from energy_dissagregation_mlops.datasets.download.progress import Stage
from energy_dissagregation_mlops.errors import DownloadError, EdmlopsError, UnsafeFileError
from energy_dissagregation_mlops.vocabulary import unwatched

Zipped = Callable[..., bytes]

CONTENT = random.Random(3).randbytes(5_000) * 3
WANTED = Wanted(names=("home.csv",), most=20_000)


def seven_zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as archive:
        archive.set_encoded_header_mode(False)  # so that tests can change it
        for name, content in members:
            archive.writestr(content, name)
    return buffer.getvalue()


@pytest.fixture(params=["zip", "7z"])
def packed(request: pytest.FixtureRequest, zipped: Zipped) -> Zipped:
    return zipped if request.param == "zip" else seven_zipped


def unpacked(content: bytes, tmp_path: Path, wanted: Wanted = WANTED) -> dict[str, bytes]:
    archive, folder = tmp_path / "archive", tmp_path / "out"
    archive.write_bytes(content)
    folder.mkdir(exist_ok=True)
    unpack(archive, folder, wanted=wanted, progress=unwatched)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_a_file_is_shows_in_its_first_bytes(tmp_path: Path, zipped: Zipped) -> None:
    path = tmp_path / "named.h5"
    for content, kind in [
        (zipped(("a", b"1")), Kind.ZIP),
        (seven_zipped(("a", b"1")), Kind.SEVEN_ZIP),
        (b"\x89HDF\r\n", Kind.OTHER),
        (b"", Kind.OTHER),
    ]:
        path.write_bytes(content)
        assert kind_of(path) is kind


def test_the_wanted_file_comes_out_whatever_folder_it_is_in(packed: Zipped, tmp_path: Path) -> None:
    archive = packed(("readme.txt", b"hello"), ("data/2016/home.csv", CONTENT), ("more.csv", b"2"))
    assert unpacked(archive, tmp_path) == {"home.csv": CONTENT}


def test_several_files_come_out(packed: Zipped, tmp_path: Path) -> None:
    files = {f"CLEAN_House{n}.csv": CONTENT[: 1000 * n] for n in range(5)}  # the first is empty
    wanted = Wanted(names=tuple(files), most=20_000)
    assert unpacked(packed(*files.items()), tmp_path, wanted) == files


def test_progress_counts_the_bytes_that_come_out(packed: Zipped, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(packed(("home.csv", CONTENT)))
    (tmp_path / "out").mkdir()
    seen: list[tuple[Stage, int, int | None]] = []
    unpack(
        tmp_path / "archive",
        tmp_path / "out",
        wanted=WANTED,
        progress=lambda done, total, stage: seen.append((stage, done, total)),
    )
    assert seen[0] == (Stage.UNPACK, 0, 15_000)
    assert seen[-1] == (Stage.UNPACK, 15_000, 15_000)


@pytest.mark.parametrize(
    "name", ["../home.csv", "/etc/home.csv", "a/../../home.csv", "..\\home.csv", "C:\\home.csv"]
)
def test_a_zip_with_a_name_that_leaves_its_folder_is_refused(
    zipped: Zipped, tmp_path: Path, name: str
) -> None:
    with pytest.raises(UnsafeFileError, match="leaves its folder"):
        unpacked(zipped((name, CONTENT)), tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["archive", "out"]


def test_a_7z_with_a_name_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    # py7zr won't write such a name, so an honest one of the same length is turned into it.
    archive = seven_zipped(("aa/home.csv", CONTENT))
    evil = _with_7z_name(archive, "aa/home.csv", "../home.csv")
    with pytest.raises(UnsafeFileError, match="leaves its folder"):
        unpacked(evil, tmp_path)


def _with_7z_name(archive: bytes, old: str, new: str) -> bytes:
    """The archive with a name replaced in its header, and the header's two checksums put right."""
    offset, size = struct.unpack("<QQ", archive[12:28])
    header = archive[32 + offset : 32 + offset + size]
    assert old.encode("utf-16-le") in header
    header = header.replace(old.encode("utf-16-le"), new.encode("utf-16-le"))
    start = struct.pack("<QQL", offset, size, zlib.crc32(header))
    return archive[:8] + struct.pack("<L", zlib.crc32(start)) + start + archive[32 : 32 + offset] + header


def test_a_zip_with_a_link_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("home.csv")
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeFileError, match="a link"):
        unpacked(buffer.getvalue(), tmp_path)


def test_a_7z_with_a_link_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home.csv").symlink_to("/etc/passwd")
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as archive:
        archive.write(tmp_path / "home.csv", "home.csv")
    with pytest.raises(UnsafeFileError, match="a link"):
        unpacked(buffer.getvalue(), tmp_path)


def test_an_encrypted_zip_is_refused(zipped: Zipped, tmp_path: Path) -> None:
    archive = bytearray(zipped(("home.csv", CONTENT)))
    archive[archive.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    with pytest.raises(UnsafeFileError, match="encrypted"):
        unpacked(bytes(archive), tmp_path)


def test_an_encrypted_7z_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", password="secret") as archive:
        archive.writestr(CONTENT, "home.csv")
    with pytest.raises(EdmlopsError):
        unpacked(buffer.getvalue(), tmp_path)


def test_a_file_that_is_there_twice_is_refused(packed: Zipped, tmp_path: Path) -> None:
    with pytest.raises(UnsafeFileError, match="twice"):
        unpacked(packed(("a/home.csv", CONTENT), ("b/home.csv", b"other")), tmp_path)


def test_an_archive_of_more_bytes_than_expected_is_refused(packed: Zipped, tmp_path: Path) -> None:
    with pytest.raises(UnsafeFileError, match=r"would unpack to 1,000,000 bytes, expected at most 20,000"):
        unpacked(packed(("home.csv", bytes(1_000_000))), tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_zip_that_declares_less_than_it_holds_stops_there(zipped: Zipped, tmp_path: Path) -> None:
    archive = zipped(("home.csv", bytes(1_000_000)))
    size = (1_000_000).to_bytes(4, "little")
    assert archive.count(size) == 2
    with pytest.raises(DownloadError, match="not the whole, sound archive"):
        unpacked(archive.replace(size, (100).to_bytes(4, "little")), tmp_path)
    assert (tmp_path / "out" / "home.csv").stat().st_size <= 100


def test_an_archive_without_the_wanted_file_names_it(packed: Zipped, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"lacks home.csv: expected 1 files, found 0"):
        unpacked(packed(("other.csv", CONTENT)), tmp_path)


@pytest.mark.parametrize("kept", [10, 0.3, 0.9])
def test_a_truncated_archive_is_refused(packed: Zipped, tmp_path: Path, kept: float) -> None:
    archive = packed(("home.csv", CONTENT))
    length = int(kept if kept > 1 else kept * len(archive))
    with pytest.raises(DownloadError, match="not the whole, sound archive"):
        unpacked(archive[:length], tmp_path)


def test_a_damaged_name_in_a_zip_is_noticed(zipped: Zipped, tmp_path: Path) -> None:
    archive = zipped(("a\u00e9.txt", b"1"), ("home.csv", CONTENT))
    damaged = archive.replace("a\u00e9.txt".encode(), b"a\xff\xff.txt")
    with pytest.raises(DownloadError, match="not the whole, sound archive"):
        unpacked(damaged, tmp_path)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed_or_harmless(packed: Zipped, tmp_path: Path, where: float, bit: int) -> None:
    archive = bytearray(packed(("home.csv", CONTENT)))
    archive[6 + int(where * (len(archive) - 6))] ^= 1 << bit
    for path in (tmp_path / "out").glob("*"):
        path.unlink()
    with contextlib.suppress(EdmlopsError):
        assert unpacked(bytes(archive), tmp_path) == {"home.csv": CONTENT}
