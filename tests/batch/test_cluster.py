"""Tasks on a cluster: each once, whatever their number; what befalls one is told; how large a machine's own is."""

from __future__ import annotations

import logging
import re
from collections import Counter
from pathlib import Path

import pytest
from distributed import Client
from many_homes import home, write_files

from energy_dissagregation_mlops.batch import cluster as room
from energy_dissagregation_mlops.batch.cluster import carry_out, cluster
from energy_dissagregation_mlops.batch.inputs import (
    BYTES_PER_BUCKET,
    BYTES_PER_SORTING,
    MANY_BUCKETS,
    MAX_BYTES_PER_BUCKET,
    MIN_BUCKETS,
    Source,
    num_buckets_of,
)
from energy_dissagregation_mlops.batch.plan import Layout, Options
from energy_dissagregation_mlops.batch.run import Request, run
from energy_dissagregation_mlops.batch.storage import File, Folder
from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.errors import ConfigError, DataError

called: Counter[int] = Counter()  # the cluster of these tests runs in this process


def call(number: int, text: str) -> str:
    called[number] += 1
    return text


def refuse(number: int) -> None:
    if number == 3:
        raise DataError("the third can't be read")


@pytest.mark.parametrize("count", [0, 1, 7, 8, 100])
def test_each_task_is_carried_out_once_however_many_there_are(
    client: Client, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(room, "IN_FLIGHT", 7)
    called.clear()
    assert sum(carry_out(client, call, ((number, "x") for number in range(count)))) == count
    assert called == Counter(range(count))


def test_what_a_task_raises_is_raised_here(client: Client) -> None:
    with pytest.raises(DataError, match="the third"):
        list(carry_out(client, refuse, ((number,) for number in range(5))))


@pytest.mark.parametrize(
    ("cores", "memory", "workers"), [(4, 16e9, 4), (4, 2.5e9, 2), (8, 0.5e9, 1), (1, 64e9, 1)]
)
def test_a_machine_has_as_many_workers_as_its_cores_and_its_memory_allow(
    monkeypatch: pytest.MonkeyPatch, cores: int, memory: float, workers: int
) -> None:
    monkeypatch.setattr(room, "available_cores", lambda: cores)
    monkeypatch.setattr(room, "MEMORY_LIMIT", int(memory))
    assert room.num_workers() == workers


@pytest.mark.parametrize("address", ["somewhere", "tcp://somewhere", "http://somewhere:80"])
def test_what_is_no_scheduler_s_address_is_told_at_once(address: str) -> None:
    with pytest.raises(ConfigError, match=f"--scheduler {address} can't be reached"), cluster(address):
        pass


def test_a_scheduler_that_is_not_there_leaves_nothing_behind(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(room, "_CONNECT", 0.5)
    request = Request(
        input=str(write_files(tmp_path / "in", [home("h1")])), output=str(tmp_path / "a" / "out"),
        options=Options(), bundle=lambda: bundle, bundle_named=False,
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"--scheduler tcp://127\.0\.0\.1:9 can't be reached"):
        run(request, cluster("tcp://127.0.0.1:9"), lambda done, total, what: None)
    assert not (tmp_path / "a").exists()


def test_a_cluster_says_where_it_can_be_watched(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "energy_dissagregation_mlops"):
        room.tell_dashboard(client, drawn=True)
        room.tell_dashboard(client, drawn=False)
    page, tables = caplog.messages
    assert re.fullmatch(r"Dask's dashboard: http://\S+:\d+/status", page)
    assert "/info/main/workers.html" in tables and "bokeh" in tables


def test_homes_that_lie_apart_make_tasks_of_some_seconds_and_never_too_many() -> None:
    year, day = 3_500_000, 15_000  # bytes of a home at 1 min, as Parquet
    assert num_buckets_of(10 * day) == MIN_BUCKETS
    assert num_buckets_of(300 * year) == -(-300 * year // BYTES_PER_BUCKET)
    assert num_buckets_of(1_000_000 * day) == -(-1_000_000 * day // BYTES_PER_BUCKET) < MANY_BUCKETS
    assert num_buckets_of(20_000 * year) == MANY_BUCKETS
    assert num_buckets_of(1_000_000 * year) == -(-1_000_000 * year // MAX_BYTES_PER_BUCKET) < 100_000


def test_small_files_of_rows_are_sorted_many_by_a_task() -> None:
    sizes = [BYTES_PER_SORTING // 4] * 100 + [3 * BYTES_PER_SORTING]
    files = tuple(File(key=f"{n}.parquet", size=size, stamp="") for n, size in enumerate(sizes))
    source = Source(
        folder=Folder("/nowhere"),
        files=files,
        layout=Layout.ROWS,
        home_column="home",
        homes=(),
        num_buckets=16,
    )
    made = list(source.sortings(done={5}))
    assert [number for task in made for number, _ in task] == [n for n in range(101) if n != 5]
    assert [len(task) for task in made] == [4] * 24 + [4]
    assert made[0] == [(0, "0.parquet"), (1, "1.parquet"), (2, "2.parquet"), (3, "3.parquet")]
