"""How many homes a second are scored: workers against one another, and against a plain loop over `predict`.

    python benchmarks/scale.py                      all parts anew
    python benchmarks/scale.py --go-on              what is left of them after an interruption
    python benchmarks/scale.py --part turns days    these anew; what was found of the others stays

prepare  homes of a year, made by the simulator once and kept (benchmarks/_homes.py); no figure comes from it
turns    a loop, one worker and two workers in turn, on the same homes, so that all have the same share of the machine;
         in the first turn rows of many homes too
days     homes of one day: as rows, as rows with power series, and a small file a home
many     two workers on a tenth of the homes and on all: homes a second, and memory
tasks    a run of 100,000 tiny partitions, without what a task would do: each a task, and in buckets as `batch` makes them

Each figure is written to the record when it is there. The model is the one in production, or that which ships with the package.
Homes lie in a Parquet file each, and power series are written, but where it says otherwise. Peak memory is the kernel's, of the
largest worker; processor time is that of the workers, the scheduler and the driver together.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq

from _homes import home_of_a_day, homes_of, households, linked, write_files, write_rows
from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.batch.cluster import carry_out, cluster
from energy_dissagregation_mlops.batch.inputs import num_buckets_of
from energy_dissagregation_mlops.batch.plan import RUN, Home, Job, Layout, Options, Plan, bucket_of
from energy_dissagregation_mlops.batch.run import Request, run
from energy_dissagregation_mlops.batch.storage import Folder
from energy_dissagregation_mlops.datasets.tabular import Tabular
from energy_dissagregation_mlops.files import write_text
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.prediction import predict, read_mains
from energy_dissagregation_mlops.registry import Registry

if TYPE_CHECKING:
    from distributed import Client

LOOP, ONE, TWO, ROWS = (
    "loop over `predict`",
    "`batch`, one worker",
    "`batch`, two workers",
    "rows of many homes, two workers",
)
DAY_ROWS, DAY_POWER, DAY_FILES = (
    "homes of a day as rows, two workers",
    "the same with power series",
    "homes of a day, a file each, two workers",
)
FEW, ALL = "`batch`, two workers, a tenth of the homes", "`batch`, two workers, all homes"
EACH, BUCKETS = "tiny partitions, a task each", "tiny partitions, in buckets"
PARTS = ("prepare", "turns", "days", "many", "tasks")
HOMES_A_FILE, DAY_HOMES_A_FILE = 5, 500  # of rows
TINY = 14_000  # bytes of a home's day as Parquet


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one way of scoring did, once."""

    part: str
    way: str
    round: int  # results of one round were measured in turn
    count: int  # homes, or partitions
    seconds: float
    processor: float  # s
    peak_mb: float  # of the largest worker
    load: float  # of the machine, in the minute before
    facts: dict[str, float] = field(default_factory=dict)  # more that was counted

    @property
    def rate(self) -> float:
        """Homes a second."""
        return self.count / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What it took."""

    count: int
    seconds: float
    processor: float
    peak_mb: float
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to measure."""

    way: str
    round: int
    measure: Callable[[], Spent]


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


def _loop(files: Sequence[Path], output: Path) -> Spent:
    bundle = Registry(settings.MODELS_PATH.value()).resolve()
    begin, (_, before) = time.perf_counter(), used()
    disaggregator = Disaggregator.load(bundle, threads=1)
    for file in files:
        mains = read_mains(Tabular(file), 1, disaggregator)
        predict(mains, disaggregator, output / file.name, zone=ZoneInfo("UTC"))
    seconds = time.perf_counter() - begin
    peak, after = used()
    return Spent(count=len(files), seconds=seconds, processor=after - before, peak_mb=peak)


def by_loop(files: Sequence[Path]) -> Spent:
    """A plain loop over `predict` in one process of one thread."""
    with _empty(files[0].parent) as output, multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_loop, (files, output))


def by_batch(source: Path, *, workers: int, power: bool = True) -> Spent:
    """The command's own run; the clock starts when its workers have."""
    with _empty(source.parent) as output, cluster(None, workers=workers) as client:
        request = Request(
            input=str(source), output=str(output), options=Options(power=power),
            bundle=lambda: Registry(settings.MODELS_PATH.value()).resolve(), bundle_named=False,
        )  # fmt: skip
        client.run(warm)
        before, begin = _processor(client), time.perf_counter()
        facts: dict[str, float] = {}

        def progress(done: int, total: int, what: str) -> None:
            if what.startswith("sorting") and done == total:
                facts["sorting_processor"] = _processor(client) - before
                facts["bytes_sorted"] = _bytes(output / RUN / "split")

        made = run(request, _given(client), progress)
        seconds, processor = time.perf_counter() - begin, _processor(client) - before
        facts |= {f"bytes_{table}": _bytes(output / table) for table in made.rows_out}
        facts |= {"bytes_in": _bytes(source), "files_out": len(made.files), "buckets": made.plan.num_buckets}
        peak = max(peak for peak, _ in client.run(used).values())
    return Spent(count=made.homes_done, seconds=seconds, processor=processor, peak_mb=peak, facts=facts)


def _processor(client: Client) -> float:
    return used()[1] + sum(processor for _, processor in client.run(used).values())


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@contextmanager
def _given(client: Client) -> Iterator[Client]:
    yield client


@contextmanager
def _empty(beside: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=beside, prefix=".out-") as name:
        output = Path(name) / "out"
        output.mkdir()
        yield output


def prepare(arguments: argparse.Namespace) -> Iterator[Step]:
    """All homes of a year."""
    homes_of(_folder(arguments), arguments.homes, arguments.days)
    yield from ()


def turns(arguments: argparse.Namespace) -> Iterator[Step]:
    """Each way on the same homes, in one order and the other by turns."""
    files = homes_of(_folder(arguments), arguments.homes_a_turn, arguments.days)
    with linked(files) as source:
        ways: list[tuple[str, Callable[[], Spent]]] = [
            (LOOP, partial(by_loop, files)),
            (ONE, partial(by_batch, source, workers=1)),
            (TWO, partial(by_batch, source, workers=2)),
        ]
        for number in range(arguments.rounds):
            for way, measure in ways if number % 2 == 0 else reversed(ways):
                yield Step(way=way, round=number, measure=measure)
        yield Step(way=ROWS, round=0, measure=partial(_as_rows, files))


def _as_rows(files: Sequence[Path]) -> Spent:
    with _empty(files[0].parent) as folder:
        homes = [(file.stem, pq.read_table(file)) for file in files]
        return by_batch(write_rows(folder / "rows", homes, a_file=HOMES_A_FILE), workers=2)


def days(arguments: argparse.Namespace) -> Iterator[Step]:
    """Homes of one day, in the forms that a utility may have them."""
    folder = _folder(arguments)
    households(folder, arguments.days)

    def rows(power: bool) -> Spent:
        with _homes_of_a_day(folder, arguments) as (homes, place):
            source = write_rows(place / "rows", homes, a_file=DAY_HOMES_A_FILE)
            return by_batch(source, workers=2, power=power)

    def files() -> Spent:
        with _homes_of_a_day(folder, arguments) as (homes, place):
            return by_batch(write_files(place / "files", homes), workers=2, power=False)

    yield Step(way=DAY_ROWS, round=0, measure=partial(rows, False))
    yield Step(way=DAY_POWER, round=0, measure=partial(rows, True))
    yield Step(way=DAY_FILES, round=0, measure=files)


@contextmanager
def _homes_of_a_day(
    folder: Path, arguments: argparse.Namespace
) -> Iterator[tuple[list[tuple[str, object]], Path]]:
    with _empty(folder) as place:
        numbers = range(arguments.day_homes)
        yield [(f"d{number:06d}", home_of_a_day(folder, number, arguments.days)) for number in numbers], place


def many(arguments: argparse.Namespace) -> Iterator[Step]:
    """Two workers on a tenth of the homes, and on all."""
    files = homes_of(_folder(arguments), arguments.homes, arguments.days)
    for way, some in ((FEW, files[: max(len(files) // 10, 1)]), (ALL, files)):
        with linked(some) as source:
            yield Step(way=way, round=0, measure=partial(by_batch, source, workers=2))


def nothing(job: Job, bucket: int, homes: Sequence[Home]) -> int:
    """What a task costs that does nothing is the scheduler's."""
    assert job
    assert homes
    return bucket


def tasks(arguments: argparse.Namespace) -> Iterator[Step]:
    """Partitions of a home's day each through the scheduler: a task each, and in buckets."""
    count = arguments.partitions
    yield Step(way=BUCKETS, round=0, measure=partial(by_tasks, count, num_buckets_of(count * TINY)))
    yield Step(way=EACH, round=0, measure=partial(by_tasks, count, count))


def by_tasks(count: int, num_buckets: int) -> Spent:
    """A run's tasks, told all that they are told, without what they would do; memory is the scheduler's and the driver's."""
    plan = Plan(
        input="/input", input_sha256="0" * 64, num_files=count, layout=Layout.FILES, home_column=None,
        num_buckets=num_buckets, bundle="general@1", bundle_sha256="0" * 64, options=Options(),
    )  # fmt: skip
    job = Job(input=Folder("/input"), output=Folder("/output"), plan=plan)
    homes = [Home(name=f"d{n:06d}", files=(f"d{n:06d}.parquet",), num_bytes=TINY) for n in range(count)]
    buckets: list[list[Home]] = [[] for _ in range(num_buckets)]
    for number, each in enumerate(homes):
        buckets[number if num_buckets == count else bucket_of(each.name, num_buckets)].append(each)
    with cluster(None, workers=2) as client:
        client.run(warm)
        before, begin = used()[1], time.perf_counter()
        done = shown = 0
        for more in carry_out(client, nothing, ((job, number, some) for number, some in enumerate(buckets))):
            done += more
            if done >= shown + num_buckets // 10:
                shown = done
                told(f"  {done:,} of {num_buckets:,} tasks after {time.perf_counter() - begin:.0f} s")
        assert done == num_buckets
        seconds = time.perf_counter() - begin
        peak, after = used()
    facts = {"tasks": float(num_buckets)}
    return Spent(count=count, seconds=seconds, processor=after - before, peak_mb=peak, facts=facts)


STEPS: dict[str, Callable[[argparse.Namespace], Iterator[Step]]] = {
    "prepare": prepare,
    "turns": turns,
    "days": days,
    "many": many,
    "tasks": tasks,
}


def _folder(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.folder / f"{arguments.days}-days"
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in (*folder.glob(".out-*"), *folder.glob(".some-*")):  # of a benchmark that was killed
        shutil.rmtree(leftover)
    return folder


def kept(record: Path) -> list[Result]:
    """What was found before."""
    lines = record.read_text(encoding="utf-8").splitlines() if record.is_file() else []
    return [Result(**json.loads(line)) for line in lines]


def forget(record: Path, parts: Sequence[str]) -> None:
    """Take what was found of some parts out of the record."""
    left = [json.dumps(asdict(each)) + "\n" for each in kept(record) if each.part not in parts]
    write_text(record, "".join(left))


def told(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def measure(arguments: argparse.Namespace, part: str) -> None:
    """What of a part is not in the record yet, written there as it comes."""
    there = {(each.way, each.round) for each in kept(arguments.record)}
    begin = time.perf_counter()
    for step in STEPS[part](arguments):
        if (step.way, step.round) in there:
            continue
        load = os.getloadavg()[0]
        spent = step.measure()
        result = Result(part=part, way=step.way, round=step.round, load=load, **asdict(spent))
        with arguments.record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        told(
            f"{part}, {step.way}: {spent.count:,} in {spent.seconds:.1f} s, {spent.processor:.1f} s of processor time, "
            f"load {load:.1f}"
        )
    told(f"{part}: {time.perf_counter() - begin:.0f} s in all")


def main() -> None:
    """Measure, keep what was found, and print it as Markdown."""
    from _scale_report import report

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--part", choices=PARTS, nargs="*", default=PARTS, help="these anew; none prints what there is"
    )
    parser.add_argument("--go-on", action="store_true", help="only what the record lacks")
    parser.add_argument("--homes", type=int, default=300)
    parser.add_argument("--homes-a-turn", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--day-homes", type=int, default=3000)
    parser.add_argument("--partitions", type=int, default=100_000)
    parser.add_argument("--price", type=float, default=0.05, help="of a core-hour, in any currency")
    parser.add_argument("--folder", type=Path, default=Path("data/raw/scale"), help="where homes are kept")
    parser.add_argument("--record", type=Path, default=Path("reports/scale.jsonl"))
    arguments = parser.parse_args()
    arguments.record.parent.mkdir(parents=True, exist_ok=True)
    if not arguments.go_on:
        forget(arguments.record, arguments.part)
    for part in arguments.part:
        measure(arguments, part)
    print("\n".join(report(kept(arguments.record), days=arguments.days, price=arguments.price)))


if __name__ == "__main__":
    main()
