"""Rows of many homes into buckets: nothing lost, nothing doubled, order kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_dissagregation_mlops.batch import split as room
from energy_dissagregation_mlops.batch.plan import Job, Layout, Options, Plan, bucket_of, split_key
from energy_dissagregation_mlops.batch.split import HOME, READINGS, record_key, split
from energy_dissagregation_mlops.batch.storage import Folder


def job(root: Path, num_buckets: int) -> Job:
    plan = Plan(
        input="", input_sha256="", num_files=1, layout=Layout.ROWS, home_column="home", num_buckets=num_buckets,
        bundle="plain@1", bundle_sha256="", options=Options(),
    )  # fmt: skip
    return Job(input=Folder(str(root / "in")), output=Folder(str(root / "out")), plan=plan)


def sorted_rows(root: Path, num_buckets: int) -> dict[int, dict[str, list[int]]]:
    """By bucket and home, the numbers of its rows, in the order in which they stand there."""
    found: dict[int, dict[str, list[int]]] = {}
    with pa.ipc.open_file(root / "out" / split_key(0)) as file:
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            bucket = found.setdefault(number % num_buckets, {})
            for name, rows in zip(
                batch.column(HOME).to_pylist(), batch.column(READINGS).to_pylist(), strict=True
            ):
                bucket.setdefault(name, []).extend(row["number"] for row in rows)
    return found


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.sampled_from(["a", "b", "long name", "æøå", "", "7"]), min_size=1, max_size=60),
    num_buckets=st.integers(1, 7),
    turn=st.integers(1, 40),
)
def test_each_row_comes_once_in_its_home_s_bucket_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], num_buckets: int, turn: int
) -> None:
    root = tmp_path_factory.mktemp("split")
    (root / "in").mkdir()
    rows = pa.table({"home": names, "number": np.arange(len(names))})
    pq.write_table(rows, root / "in" / "a.parquet", row_group_size=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "ROWS_PER_TURN", turn)
        patch.setattr(room, "ROWS_AT_ONCE", 5)
        record = split(job(root, num_buckets), 0, "a.parquet")
    assert record.rows_in == len(names) and record.refused == ()
    expected: dict[int, dict[str, list[int]]] = {bucket: {} for bucket in range(num_buckets)}
    for number, name in enumerate(names):
        expected[bucket_of(name, num_buckets)].setdefault(name, []).append(number)
    assert sorted_rows(root, num_buckets) == expected


def test_a_damaged_file_adds_no_row_and_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.parquet").write_bytes(b"PAR1 but no more")
    record = split(job(tmp_path, 3), 0, "a.parquet")
    assert record.rows_in == 0
    assert record.refused[0].home is None and record.refused[0].source == "a.parquet"
    assert not (tmp_path / "out" / split_key(0)).exists()
    assert (tmp_path / "out" / record_key(0)).exists()
