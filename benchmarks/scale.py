"""How many homes a second are scored: workers against one another, and against a plain loop over `predict`.

    python benchmarks/scale.py                     all parts, from nothing
    python benchmarks/scale.py --part turns        one part more: what it found is added to the parts before

turns   a loop, one worker, two workers and rows of many homes in turn, on the same few homes, so that all
        have the same share of the machine
many    two workers on a tenth of the homes and on all: homes a second, and memory
tasks   as many tasks that do nothing as a run with tiny partitions would have: the scheduler's limit

Homes come from the simulator: twenty households of a year, the others the same ones some weeks later and with
another base load; made once, and kept. All lie in a Parquet file each, but for the way that says otherwise. The model is the
one in production, or that which ships with the package. Power series are written too. Peak memory is the kernel's,
of the largest worker; processor time is that of the workers, the scheduler and the driver together.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.batch.cluster import carry_out, cluster
from energy_dissagregation_mlops.batch.plan import Options
from energy_dissagregation_mlops.batch.run import Request, run
from energy_dissagregation_mlops.datasets.simulated import draw_household, simulation_ranges
from energy_dissagregation_mlops.datasets.simulated.traces import STEP
from energy_dissagregation_mlops.datasets.tabular import Tabular
from energy_dissagregation_mlops.files import atomic_file
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.prediction import predict, read_mains
from energy_dissagregation_mlops.registry import Registry

T0 = 1_704_067_200  # 2024-01-01, UTC
MINUTE = 60  # s
DAY = 1440  # minutes
HOUSEHOLDS = 20
SEED = 7
HOMES_A_FILE = 5  # of rows
LOOP, ONE, TWO, ROWS = (
    "loop over `predict`",
    "`batch`, one worker",
    "`batch`, two workers",
    "rows of many homes, two workers",
)
FEW, ALL = "`batch`, two workers, a tenth of the homes", "`batch`, two workers, all homes"
TASKS = "tasks that do nothing"
TWO_TARGET, LOOP_TARGET, MEMORY_TARGET = 1.7, 0.9, 1000
FLAT = 1.1  # times the memory of a tenth of the homes
PARTS = ("turns", "many", "tasks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one way of scoring did, once."""

    way: str
    round: int  # results of one round were measured in turn
    count: int  # homes, or tasks
    seconds: float
    processor: float  # s
    peak_mb: float  # of the largest worker

    @property
    def rate(self) -> float:
        """Homes a second."""
        return self.count / self.seconds


def household(folder: Path, number: int, days: int) -> np.ndarray:
    """A simulated household's power, W every minute; lived once and kept."""
    kept = folder / ".households" / f"{number:02d}.npy"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        home = draw_household(simulation_ranges(), seed=SEED, house=number + 1)
        steps = MINUTE // int(STEP)
        lived = [day.mains.reshape(-1, steps).mean(axis=1, dtype=np.float32) for day in home.days(days)]
        with atomic_file(kept) as aside, aside.open("wb") as file:
            np.save(file, np.concatenate(lived)[: days * DAY])
    power: np.ndarray = np.load(kept)
    return power


def home(folder: Path, number: int, days: int) -> pa.Table:
    """A home's readings: a household's, some weeks later, with another base load and the meter's noise."""
    weeks, one = divmod(number, HOUSEHOLDS)
    lived = np.roll(household(folder, one, days), -weeks * 7 * DAY)
    noise = np.random.default_rng(number).normal(weeks, 2, len(lived))
    power = np.maximum(np.rint(lived + noise), 0).astype(np.float32)
    times = pa.array((T0 + MINUTE * np.arange(len(power))) * 1000, pa.timestamp("ms", tz="UTC"))
    return pa.table({"time": times, "power": power})


def homes_of(folder: Path, count: int, days: int) -> list[Path]:
    """A Parquet file a home, made where there is none yet."""
    files = [folder / f"h{number:04d}.parquet" for number in range(count)]
    for number, file in enumerate(files):
        if not file.is_file():
            with atomic_file(file) as aside:
                pq.write_table(home(folder, number, days), aside)
    return files


@contextmanager
def linked(files: list[Path]) -> Iterator[Path]:
    """A folder that holds these files alone."""
    with tempfile.TemporaryDirectory(dir=files[0].parent, prefix=".some-") as name:
        for file in files:
            os.link(file, Path(name) / file.name)
        yield Path(name)


def write_rows(folder: Path, files: list[Path]) -> Path:
    """The same homes as rows, some a file, week after week as a utility collects them."""
    folder.mkdir()
    tables = [(file.stem, pq.read_table(file)) for file in files]
    schema = tables[0][1].schema.insert(0, pa.field("home", pa.string()))
    for begin in range(0, len(tables), HOMES_A_FILE):
        with pq.ParquetWriter(folder / f"{begin:04d}.parquet", schema) as writer:
            for week in range(0, len(tables[0][1]), 7 * DAY):
                for name, table in tables[begin : begin + HOMES_A_FILE]:
                    piece = table.slice(week, 7 * DAY)
                    writer.write_table(piece.add_column(0, "home", pa.array([name] * len(piece))))
    return folder


def used() -> tuple[float, float]:
    """Of this process so far: the largest resident size, MB, and processor time, s."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024 / 1e6, time.process_time()


def warm() -> None:
    """Import what scoring needs: the clock of a long run would not notice it."""
    from energy_dissagregation_mlops.batch import scoring

    assert scoring


def _loop(files: list[Path], output: Path) -> tuple[float, float, float]:
    bundle = Registry(settings.MODELS_PATH.value()).resolve()
    begin, (_, before) = time.perf_counter(), used()
    disaggregator = Disaggregator.load(bundle, threads=1)
    for file in files:
        mains = read_mains(Tabular(file), 1, disaggregator)
        predict(mains, disaggregator, output / file.name, zone=ZoneInfo("UTC"))
    seconds = time.perf_counter() - begin
    peak, after = used()
    return seconds, after - before, peak


def by_loop(files: list[Path], output: Path, number: int) -> Result:
    """A plain loop over `predict` in one process of one thread."""
    output.mkdir()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, processor, peak = pool.apply(_loop, (files, output))
    return Result(
        way=LOOP, round=number, count=len(files), seconds=seconds, processor=processor, peak_mb=peak
    )


def by_batch(source: Path, output: Path, *, way: str, workers: int, number: int) -> Result:
    """The command's own run; the clock starts when its workers have."""
    request = Request(
        input=str(source), output=str(output), options=Options(power=True),
        bundle=lambda: Registry(settings.MODELS_PATH.value()).resolve(), bundle_named=False,
    )  # fmt: skip
    with cluster(None, workers=workers) as client:
        client.run(warm)
        before = used()[1] + sum(processor for _, processor in client.run(used).values())
        begin = time.perf_counter()
        made = run(request, _given(client), lambda done, total, what: None)
        seconds = time.perf_counter() - begin
        of_workers = list(client.run(used).values())
        processor = used()[1] + sum(processor for _, processor in of_workers) - before
        peak = max(peak for peak, _ in of_workers)
    return Result(
        way=way, round=number, count=made.homes_done, seconds=seconds, processor=processor, peak_mb=peak
    )


@contextmanager
def _given(client: object) -> Iterator[object]:
    yield client


def turns(files: list[Path], number: int) -> Iterator[Result]:
    """Each way once, on the same homes."""
    with linked(files) as source, tempfile.TemporaryDirectory(dir=source.parent, prefix=".out-") as name:
        root = Path(name)
        rows = write_rows(root / "rows", files)
        ways: list[Callable[[Path], Result]] = [
            lambda output: by_loop(files, output, number),
            lambda output: by_batch(source, output, way=ONE, workers=1, number=number),
            lambda output: by_batch(source, output, way=TWO, workers=2, number=number),
            lambda output: by_batch(rows, output, way=ROWS, workers=2, number=number),
        ]
        for way in ways:
            yield way(root / "out")
            shutil.rmtree(root / "out")


def many(files: list[Path]) -> Iterator[Result]:
    """Two workers on a tenth of the homes, and on all."""
    for way, some in ((FEW, files[: max(len(files) // 10, 1)]), (ALL, files)):
        with (
            linked(some) as source,
            tempfile.TemporaryDirectory(dir=source.parent, prefix=".out-") as output,
        ):
            yield by_batch(source, Path(output) / "out", way=way, workers=2, number=0)


def nothing(number: int) -> int:
    """What a task costs that does nothing is the scheduler's."""
    return number


def tasks(count: int) -> Result:
    """So many tasks that do nothing through the scheduler; memory is that of the scheduler and the driver."""
    with cluster(None) as client:
        before, begin = used()[1], time.perf_counter()
        done = sum(carry_out(client, nothing, ((number,) for number in range(count))))
        assert done == count
        peak, after = used()
        seconds = time.perf_counter() - begin
    return Result(way=TASKS, round=0, count=count, seconds=seconds, processor=after - before, peak_mb=peak)


def measured(part: str, arguments: argparse.Namespace) -> Iterator[Result]:
    """What a part finds, as it finds it."""
    if part == "tasks":
        yield tasks(arguments.tasks)
        return
    folder = arguments.folder / f"{arguments.days}-days"
    files = homes_of(folder, arguments.homes, arguments.days)
    if part == "many":
        yield from many(files)
        return
    first = 1 + max((each.round for each in kept(arguments.record)), default=-1)
    for number in range(first, first + arguments.rounds):
        yield from turns(files[: arguments.homes_a_turn], number)


def kept(record: Path) -> list[Result]:
    """What was found before."""
    lines = record.read_text(encoding="utf-8").splitlines() if record.is_file() else []
    return [Result(**json.loads(line)) for line in lines]


def ratios(found: list[Result], over: str, under: str, value: Callable[[Result], float]) -> list[float]:
    """Of one way to another, round by round."""
    by_way = {way: {each.round: each for each in found if each.way == way} for way in (over, under)}
    return [
        value(by_way[over][number]) / value(by_way[under][number])
        for number in sorted(by_way[over].keys() & by_way[under].keys())
    ]


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def verdict(met: bool) -> str:
    return "met" if met else "missed"


def _cheapness(result: Result) -> float:
    return result.count / result.processor


def table(found: list[Result], days: int) -> Iterator[str]:
    """The figures as Markdown."""
    yield "| | homes | s | homes/s | processor s a home | peak memory of a worker, MB |"
    yield "|---|---|---|---|---|---|"
    for way in (LOOP, ONE, TWO, ROWS, FEW, ALL):
        of_way = [each for each in found if each.way == way]
        if of_way:
            seconds, processor = (
                median(each.seconds for each in of_way),
                median(each.processor / each.count for each in of_way),
            )
            peak = max(each.peak_mb for each in of_way)
            rate = median(each.rate for each in of_way)
            yield f"| {way} | {of_way[0].count} | {seconds:.1f} | {rate:.2f} | {processor:.2f} | {peak:.0f} |"
    yield f"\nHomes of {days} days at 1 min, with power series. Median (least to greatest) of the turns.\n"
    yield from verdicts(found)


def verdicts(found: list[Result]) -> Iterator[str]:
    """Each target, and whether it was met."""
    two, loop = (ratios(found, *pair, lambda each: each.rate) for pair in ((TWO, ONE), (ONE, LOOP)))
    if two:
        cheap = ratios(found, TWO, ONE, _cheapness), ratios(found, ONE, LOOP, _cheapness)
        yield (
            f"- Two workers over one: {spread(two)} times, at least {TWO_TARGET}: {verdict(median(two) >= TWO_TARGET)}; "
            f"homes a second of processor time {spread(cheap[0])}."
        )
        yield (
            f"- A worker over the loop: {spread(loop)}, at least {LOOP_TARGET}: {verdict(median(loop) >= LOOP_TARGET)}; "
            f"homes a second of processor time {spread(cheap[1])}."
        )
    peaks = {each.way: each.peak_mb for each in found if each.way in (FEW, ALL)}
    if len(peaks) == 2:
        flat = peaks[ALL] / peaks[FEW]
        yield f"- Memory of a worker under {MEMORY_TARGET} MB: {verdict(peaks[ALL] < MEMORY_TARGET)}."
        yield f"- Flat, ten times the homes taking {flat:.2f} times the memory: {verdict(flat < FLAT)}."
    for each in found:
        if each.way == TASKS:
            yield (
                f"- {each.count:,} tasks that do nothing, two workers: {each.rate:,.0f} a second, "
                f"{1000 * each.processor / each.count:.2f} ms of processor time each in the scheduler and the driver, which "
                f"took {each.peak_mb:.0f} MB."
            )


def main() -> None:
    """Measure, keep what was found, and print it as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--part", choices=(*PARTS, "none"), help="only this, added to what was found before")
    parser.add_argument("--homes", type=int, default=300)
    parser.add_argument("--homes-a-turn", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path("data/raw/scale"), help="where homes are kept")
    parser.add_argument("--record", type=Path, default=Path("reports/scale.jsonl"))
    arguments = parser.parse_args()
    arguments.record.parent.mkdir(parents=True, exist_ok=True)
    if arguments.part is None:
        arguments.record.unlink(missing_ok=True)
    for part in PARTS if arguments.part is None else (arguments.part,):
        for result in measured(part, arguments) if part != "none" else ():
            with arguments.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(result)) + "\n")
    print("\n".join(table(kept(arguments.record), arguments.days)))


if __name__ == "__main__":
    main()
