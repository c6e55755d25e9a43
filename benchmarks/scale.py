"""How many homes a second are scored: workers against one another, and against a plain loop over `predict`.

    python benchmarks/scale.py [--homes 300] [--days 365] [--json FILE]
    python benchmarks/scale.py --tasks 100000      the scheduler's limit: tasks that do nothing

Homes are made up by arithmetic, every minute, a Parquet file each: what is measured is reading, the model and
writing, not a shuffle; what sorting rows of many homes into buckets adds is measured beside it. The model is
the one in production, or that which ships with the package. Power series are written by both. Peak memory is
the largest resident size of any worker. All in one run, one after the other, on the same cores.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.batch.cluster import cluster, results
from energy_dissagregation_mlops.batch.plan import Options
from energy_dissagregation_mlops.batch.run import Request, run
from energy_dissagregation_mlops.datasets.tabular import Tabular
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.prediction import predict, read_mains
from energy_dissagregation_mlops.registry import Registry

T0 = 1_704_067_200  # 2024-01-01, UTC
DAY = 1440  # minutes
LOOP, ONE, TWO, ROWS = (
    "loop over `predict`",
    "`batch`, one worker",
    "`batch`, two workers",
    "rows of many homes, two workers",
)
TWO_TARGET, LOOP_TARGET, MEMORY_TARGET = 1.7, 0.9, 1000
SAMPLE = 0.05  # s between two looks at memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one way of scoring did."""

    homes: int
    seconds: float
    peak_mb: float  # of the largest worker

    @property
    def rate(self) -> float:
        """Homes a second."""
        return self.homes / self.seconds


def home(number: int, days: int) -> pa.Table:
    """A home's readings: a fridge of its own rhythm, a kettle three times a day, noise."""
    minute = np.arange(days * DAY)
    noise = np.random.default_rng(number).normal(0, 10, len(minute))
    fridge = 100 * ((minute // (15 + number % 9)) % 2)
    power = np.maximum(150 + noise + fridge + 2500 * ((minute + 7 * number) % 480 < 3), 0)
    times = pa.array((T0 + 60 * minute) * 1000, pa.timestamp("ms", tz="UTC"))
    return pa.table({"time": times, "power": pa.array(power, pa.float32())})


def write_homes(folder: Path, homes: int, days: int) -> Path:
    """A file a home."""
    folder.mkdir()
    for number in range(homes):
        pq.write_table(home(number, days), folder / f"h{number:04d}.parquet")
    return folder


def write_rows(folder: Path, homes: int, days: int) -> Path:
    """The same homes as rows, twenty a file, day after day as a utility collects them."""
    folder.mkdir()
    for begin in range(0, homes, 20):
        numbers = range(begin, min(begin + 20, homes))
        tables = [home(number, days) for number in numbers]
        with pq.ParquetWriter(
            folder / f"{begin:04d}.parquet", tables[0].schema.insert(0, pa.field("home", pa.string()))
        ) as writer:
            for day in range(0, days, 7):
                for number, table in zip(numbers, tables, strict=True):
                    piece = table.slice(day * DAY, 7 * DAY)
                    writer.write_table(piece.add_column(0, "home", pa.array([f"h{number:04d}"] * len(piece))))
    return folder


@contextmanager
def peak_memory() -> Iterator[Callable[[], float]]:
    """MB of the largest process below this one, or of this one where there is none, while the block runs."""
    largest, over = 0, threading.Event()

    def look() -> None:
        nonlocal largest
        while not over.wait(SAMPLE):
            me = psutil.Process()
            for process in me.children(recursive=True) or [me]:
                try:
                    largest = max(largest, process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: largest / 1e6
    finally:
        over.set()
        thread.join()


def by_loop(source: Path, output: Path) -> Result:
    """A plain loop over `predict` in this process, one thread."""
    files = sorted(source.glob("*.parquet"))
    disaggregator = Disaggregator.load(Registry(settings.MODELS_PATH.value()).resolve(), threads=1)
    with peak_memory() as peak:
        begin = time.perf_counter()
        for file in files:
            mains = read_mains(Tabular(file), 1, disaggregator)
            predict(mains, disaggregator, output / file.name, zone=ZoneInfo("UTC"))
        return Result(homes=len(files), seconds=time.perf_counter() - begin, peak_mb=peak())


def by_batch(source: Path, output: Path, *, workers: int) -> Result:
    """The command's own run; the clock starts when its workers have."""
    request = Request(
        input=str(source), output=str(output), options=Options(power=True),
        bundle=lambda: Registry(settings.MODELS_PATH.value()).resolve(), bundle_named=False,
    )  # fmt: skip
    with cluster(None, workers=workers) as client, peak_memory() as peak:
        begin = time.perf_counter()
        made = run(request, _given(client), lambda done, total, what: None)
        return Result(homes=made.homes_done, seconds=time.perf_counter() - begin, peak_mb=peak())


@contextmanager
def _given(client: object) -> Iterator[object]:
    yield client


def measure(homes: int, days: int) -> dict[str, Result]:
    """Each way once, on the same homes; and one worker on a tenth of them, for its memory."""
    found: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        source = write_homes(root / "homes", homes, days)
        few = root / "few"
        few.mkdir()
        for file in sorted(source.iterdir())[: max(homes // 10, 2)]:
            shutil.copy(file, few)
        ways: dict[str, Callable[[Path], Result]] = {
            LOOP: lambda output: by_loop(source, output),
            "`batch`, one worker, a tenth of the homes": lambda output: by_batch(few, output, workers=1),
            ONE: lambda output: by_batch(source, output, workers=1),
            TWO: lambda output: by_batch(source, output, workers=2),
            ROWS: lambda output: by_batch(write_rows(root / "rows", homes, days), output, workers=2),
        }
        for way, measured in ways.items():
            found[way] = measured(root / "out")
            shutil.rmtree(root / "out")
    return found


def nothing(number: int) -> int:
    """What a task costs that does nothing is the scheduler's."""
    return number


def tasks_a_second(count: int) -> float:
    """How many tasks that do nothing go through the scheduler in a second."""
    with cluster(None) as client:
        begin = time.perf_counter()
        done = sum(1 for _ in results(client, nothing, ((number,) for number in range(count))))
        assert done == count
        return count / (time.perf_counter() - begin)


def verdict(met: bool) -> str:
    return "met" if met else "missed"


def main() -> None:
    """Print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--homes", type=int, default=300)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--tasks", type=int, help="only this: so many tasks through the scheduler")
    parser.add_argument("--json", type=Path, default=Path("reports/scale.json"))
    arguments = parser.parse_args()
    if arguments.tasks:
        rate = tasks_a_second(arguments.tasks)
        print(f"{arguments.tasks:,} tasks that do nothing: {rate:,.0f} a second")
        return
    found = measure(arguments.homes, arguments.days)
    print("| | homes | s | homes/s | times the loop | peak memory of a worker, MB |")
    print("|---|---|---|---|---|---|")
    for way, each in found.items():
        ratio = each.rate / found[LOOP].rate
        print(
            f"| {way} | {each.homes} | {each.seconds:.1f} | {each.rate:.2f} | {ratio:.2f} | {each.peak_mb:.0f} |"
        )
    one, two = found[ONE].rate / found[LOOP].rate, found[TWO].rate / found[ONE].rate
    largest = max(each.peak_mb for way, each in found.items() if way != LOOP)
    print(
        f"\nHomes of {arguments.days} days at 1 min, with power series. "
        f"Two workers over one: {two:.2f} times, at least {TWO_TARGET}: {verdict(two >= TWO_TARGET)}. "
        f"A worker over the loop: {one:.2f}, at least {LOOP_TARGET}: {verdict(one >= LOOP_TARGET)}. "
        f"Memory of a worker under {MEMORY_TARGET} MB: {verdict(largest < MEMORY_TARGET)}."
    )
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    record = {way: asdict(each) for way, each in found.items()}
    arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
