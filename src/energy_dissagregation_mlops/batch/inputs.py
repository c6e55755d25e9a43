"""What an input holds: which files, how homes lie in them, and into how many buckets they go.

It reads names, and the schema and footers of Parquet files; no readings.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from energy_dissagregation_mlops.batch.plan import Home, Layout
from energy_dissagregation_mlops.batch.storage import File, Folder
from energy_dissagregation_mlops.errors import DataError, UnknownNameError, one_line

ROWS_PER_BUCKET = 4_000_000  # in memory at once: 16 to 40 bytes each
BYTES_PER_BUCKET = 16 << 20  # of files that are a home each, one in memory at once: about 10 s of work
MAX_BYTES_PER_BUCKET = 256 << 20  # beyond MANY_BUCKETS they grow, up to this: what is done anew after a kill
MANY_BUCKETS = 1_000  # each is some files of the output, and a task of the scheduler
MIN_BUCKETS = 16  # so that small inputs too are shared out, and go on where they were stopped
BYTES_PER_SORTING = 16 << 20  # of files of rows that are sorted by one task

_PARQUET = (".parquet", ".pq")
_TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_HOME_NAMES = ("home", "house", "household", "customer", "meter")
_FOOTERS_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An input that was looked at."""

    folder: Folder
    files: tuple[File, ...]
    layout: Layout
    home_column: str | None
    homes: tuple[Home, ...]  # none where they lie in rows: they are found when those are read
    num_buckets: int

    @property
    def sha256(self) -> str:
        """What changes when a file comes, goes or changes."""
        listed = "".join(f"{file.key}\t{file.size}\t{file.stamp}\n" for file in self.files)
        return hashlib.sha256(listed.encode()).hexdigest()

    def sortings(self, done: Collection[int]) -> Iterator[list[tuple[int, str]]]:
        """The files of rows that are not done, as numbers and keys: together as many as make a task worth its while."""
        held: list[tuple[int, str]] = []
        num_bytes = 0
        for number, file in enumerate(self.files):
            if number not in done:
                held.append((number, file.key))
                num_bytes += file.size
            if num_bytes >= BYTES_PER_SORTING:
                yield held
                held, num_bytes = [], 0
        if held:
            yield held


def look(address: str, home_column: str | None = None) -> Source:
    """Find out how homes lie in an input.

    Args:
        address: a folder, or one Parquet file.
        home_column: the column that names the home; None to go by its name.

    Raises:
        ConfigError: it can't be reached.
        DataError: it holds no meter files, or leaves open what is what.
        UnknownNameError: there is no such column.
    """
    folder, files = _listed(address)
    tables = [file for file in files if file.key.lower().endswith(_PARQUET)]
    texts = [file for file in files if file.key.lower().endswith(_TEXT)]
    if bool(tables) == bool(texts):
        found = "both CSV and Parquet files" if tables else "no file that ends in .csv or .parquet"
        raise DataError(f"{address}: expected a folder of either, found {found}; name another folder")
    if texts:
        return _of_files(folder, texts)
    if any(_key_of(file.key, home_column) for file in tables):
        return _of_folders(folder, tables, home_column)
    schema = _schema(folder, tables)
    column = _column(schema, home_column)
    return _of_files(folder, tables) if column is None else _of_rows(folder, tables, column)


def _listed(address: str) -> tuple[Folder, list[File]]:
    parent, slash, name = address.rstrip("/").rpartition("/")
    whole = Folder.at(address)
    if not whole.holds_file(""):
        files = whole.files()
        if not files and not whole.exists():
            raise DataError(f"{address}: there is no such folder or file: check INPUT")
        return whole, files
    folder = Folder.at(parent if slash else ".")
    return folder, folder.files(name)


def _of_files(folder: Folder, files: Sequence[File]) -> Source:
    homes: dict[str, File] = {}
    for file in files:
        name = _without_ending(file.key)
        if name in homes:
            raise DataError(
                f"{folder.address}: {homes[name].key} and {file.key} are both of home {name}: keep one of them"
            )
        homes[name] = file
    found = [_home(name, [file]) for name, file in sorted(homes.items())]
    return _source(folder, files, layout=Layout.FILES, column=None, homes=found)


def _home(name: str, files: Sequence[File]) -> Home:
    return Home(
        name=name, files=tuple(file.key for file in files), num_bytes=sum(file.size for file in files)
    )


def _without_ending(key: str) -> str:
    ending = max((each for each in (*_TEXT, *_PARQUET) if key.lower().endswith(each)), key=len)
    return key[: -len(ending)]


def _of_folders(folder: Folder, files: Sequence[File], home_column: str | None) -> Source:
    homes: dict[str, list[File]] = {}
    column = ""
    for file in files:
        pair = _key_of(file.key, home_column)
        if pair is None:
            raise DataError(f"{folder.address}: {file.key} lies in no folder of a home: move it into one")
        column, name = pair
        homes.setdefault(name, []).append(file)
    found = [_home(name, of_home) for name, of_home in sorted(homes.items())]
    return _source(folder, files, layout=Layout.FOLDERS, column=column, homes=found)


def _source(
    folder: Folder, files: Sequence[File], *, layout: Layout, column: str | None, homes: list[Home]
) -> Source:
    num_buckets = min(len(homes), num_buckets_of(sum(file.size for file in files)))
    return Source(
        folder=folder, files=tuple(files), layout=layout, home_column=column, homes=tuple(homes),
        num_buckets=num_buckets,
    )  # fmt: skip


def num_buckets_of(num_bytes: int) -> int:
    """Into how many buckets files that are a home each go: tasks of some seconds, and not too many of them."""
    small, large = (-(-num_bytes // size) for size in (BYTES_PER_BUCKET, MAX_BYTES_PER_BUCKET))
    return max(MIN_BUCKETS, min(small, MANY_BUCKETS), large)


def _of_rows(folder: Folder, files: Sequence[File], column: str) -> Source:
    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as threads:
        num_rows = sum(threads.map(lambda file: _num_rows(folder, file), files))
    return Source(
        folder=folder, files=tuple(files), layout=Layout.ROWS, home_column=column, homes=(),
        num_buckets=max(MIN_BUCKETS, -(-num_rows // ROWS_PER_BUCKET)),
    )  # fmt: skip


def _num_rows(folder: Folder, file: File) -> int:
    try:
        with folder.open(file.key) as stream:
            return int(pq.ParquetFile(stream).metadata.num_rows)
    except (pa.ArrowException, OSError):
        return 0  # refused when its rows are read


def _schema(folder: Folder, files: Sequence[File]) -> pa.Schema:
    """The schema of the first file that can be read."""
    reason = ""
    for file in files:
        try:
            with folder.open(file.key) as stream:
                return pq.ParquetFile(stream).schema_arrow
        except (pa.ArrowException, OSError) as error:
            reason = reason or f"{file.key}: {one_line(error)}"
    raise DataError(f"{folder.address}: none of its files can be read as Parquet ({reason}): write them anew")


def _column(schema: pa.Schema, wanted: str | None) -> str | None:
    if wanted is not None:
        if wanted not in schema.names:
            raise UnknownNameError("column of homes", wanted, schema.names)
        return wanted
    found = [field.name for field in schema if _names_home(field.name) and _can_name(field.type)]
    if len(found) > 1:
        raise DataError(f"{', '.join(found)} could each name the home: say which with --home-column")
    return found[0] if found else None


def _names_home(name: str) -> bool:
    core = re.sub(r"[\s_\-.]+", "", name.lower())
    return any(core in (word, f"{word}id") for word in _HOME_NAMES)


def _can_name(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_integer(value)
        or pa.types.is_string(value)
        or pa.types.is_large_string(value)
        or pa.types.is_string_view(value)
    )


def _key_of(path: str, wanted: str | None) -> tuple[str, str] | None:
    """The key and the home of a path such as home=12/part.parquet."""
    for part in _folders(path):
        key, equals, value = part.partition("=")
        if equals and (key == wanted if wanted is not None else _names_home(key)):
            return key, unquote(value)
    return None


def _folders(path: str) -> Iterable[str]:
    return path.split("/")[:-1]
