"""How long preprocessing one house takes, against reading the same tables with h5py alone; and its memory.

    python benchmarks/preprocessing.py [--size-gb 1] [--rounds 3]

The file has the shape of ukdale.h5 (see ``_ukdale_shaped``) and is made once, under build/bench; delete it to
make it anew. House 1's mains and appliances are read in four ways, by turns, each in a fresh process and from
a warm page cache:
- unpacking alone: each chunk raw, through zlib, and nothing put in order: no reader in Python takes less;
- h5py alone: whole rows as h5py gives them, some MB at a time;
- ``preprocess`` in one process, and in as many as there are cores: what a user gets.

Starting processes is in the last one's time: about a second of each, much of a small file's and little of 6 GB's.
Ratios are between neighbours of one turn. Processor seconds are those of all processes together, and say more
than seconds on a machine that others use too. Memory is the peak of the first process, plus the number of the
others times the peak of the largest: no less than what they ever held together.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from unittest.mock import patch

import h5py

from _ukdale_shaped import make
from energy_dissagregation_mlops import preprocessing
from energy_dissagregation_mlops.cores import available_cores
from energy_dissagregation_mlops.datasets.opening import open_dataset
from energy_dissagregation_mlops.preprocessing import PreprocessConfig, preprocess
from energy_dissagregation_mlops.store import Store

TARGET_RATIO, TARGET_MEMORY = 1.5, 1e9  # of h5py's time; bytes
HOUSE = 1
READ_BYTES = 4 << 20  # the best for h5py of 0.25 to 32 MB
FOLDER = Path("build/bench")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run took."""

    seconds: float
    processor_seconds: float
    memory: int  # bytes


def tables(file: h5py.File) -> Iterator[h5py.Dataset]:
    """Those that preprocessing reads."""
    for meter in open_dataset(Path(file.filename)).meters(HOUSE):
        for channel in meter.channels:
            yield file[channel.key]["table"]


def unpack(path: Path) -> None:
    with h5py.File(path, "r") as file:
        for table in tables(file):
            size = table.chunks[0] * table.dtype.itemsize
            for start in range(0, len(table), table.chunks[0]):
                _, packed = table.id.read_direct_chunk((start,))
                zlib.decompress(packed, bufsize=size)


def read(path: Path) -> None:
    with h5py.File(path, "r") as file:
        for table in tables(file):
            chunk = table.chunks[0]
            step = max(1, READ_BYTES // (chunk * table.dtype.itemsize)) * chunk
            for start in range(0, len(table), step):
                table[start : start + step]


def preprocess_house(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        preprocess(open_dataset(path), Store(Path(folder)), PreprocessConfig(), houses=[HOUSE])


def preprocess_alone(path: Path) -> None:
    with patch.object(preprocessing, "available_cores", return_value=1):
        preprocess_house(path)


RUNS: dict[str, Callable[[Path], None]] = {
    "unpacking alone": unpack,
    "h5py alone": read,
    "`preprocess`, one process": preprocess_alone,
    "`preprocess`": preprocess_house,
}
UNPACKING, BASELINE, ALONE, AS_IT_IS = RUNS


def cost_of(run: Callable[[Path], None], path: Path, *, workers: int) -> Cost:
    """Run it in this process, which must be fresh."""
    begin, before = time.perf_counter(), processor_seconds()
    run(path)
    seconds, processor = time.perf_counter() - begin, processor_seconds() - before
    # Not ru_maxrss for this process: that may be what its parent held.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    largest_worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    memory = (int(peak.split()[1]) + workers * largest_worker) * 1024
    return Cost(seconds=seconds, processor_seconds=processor, memory=memory)


def processor_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def fresh(arguments: Sequence[str]) -> str:
    """What this script prints in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def progress(what: str, done: int, total: int) -> None:
    print(f"\r{what}: {done} of {total}   ", end="\n" if done == total else "", file=sys.stderr, flush=True)


def made(size_gb: float) -> Path:
    """The file of this size, made where it is absent."""
    path = FOLDER / f"ukdale_{size_gb:g}gb.h5"
    if not path.is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        make(partial, size=round(size_gb * 1e9), told=progress)
        partial.rename(path)
    return path


def measured(path: Path, *, rounds: int) -> dict[str, list[Cost]]:
    """Every run's costs, turn by turn."""
    fresh(["--run", BASELINE, str(path)])  # warm: the tables are in the page cache
    costs: dict[str, list[Cost]] = {name: [] for name in RUNS}
    for turn in range(rounds):
        for name, found in costs.items():
            found.append(Cost(**json.loads(fresh(["--run", name, str(path)]))))
        progress("turns", turn + 1, rounds)
    return costs


def spread(ratios: Sequence[float]) -> str:
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def report(path: Path, costs: dict[str, list[Cost]]) -> None:
    """Print the table, and whether the targets are met."""
    base = costs[BASELINE]
    print("| | s, best | processor s, best | times h5py's s | times h5py's processor s | peak memory, MB |")
    print("|---|---|---|---|---|---|")
    for name, found in costs.items():
        seconds = [cost.seconds / other.seconds for cost, other in zip(found, base, strict=True)]
        processor = [
            cost.processor_seconds / other.processor_seconds for cost, other in zip(found, base, strict=True)
        ]
        best = min(cost.seconds for cost in found), min(cost.processor_seconds for cost in found)
        memory = max(cost.memory for cost in found) / 1e6
        print(
            f"| {name} | {best[0]:.2f} | {best[1]:.2f} | {spread(seconds)} | {spread(processor)} | {memory:.0f} |"
        )
    with h5py.File(path, "r") as file:
        rows = sum(len(table) for table in tables(file))
        packed = sum(table.id.get_storage_size() for table in tables(file))
        unpacked = sum(len(table) * table.dtype.itemsize for table in tables(file))
    ratio = median(cost.seconds / other.seconds for cost, other in zip(costs[AS_IT_IS], base, strict=True))
    memory = max(cost.memory for cost in costs[AS_IT_IS])
    print(
        f"\nA file of {path.stat().st_size / 1e9:.2f} GB; house {HOUSE}'s tables: {rows:,} rows, {packed / 1e6:,.0f} MB "
        f"packed, {unpacked / 1e6:,.0f} MB unpacked; {available_cores()} processes. Median (least to greatest) of {len(base)} turns.\n"
        f"At most {TARGET_RATIO} times h5py's time: {'met' if ratio <= TARGET_RATIO else 'missed'}; "
        f"under {TARGET_MEMORY / 1e9:g} GB: {'met' if memory < TARGET_MEMORY else 'missed'}."
    )


def main() -> None:
    """Print the costs as a Markdown table."""
    parser = argparse.ArgumentParser(description="Time preprocessing against h5py.")
    parser.add_argument("--size-gb", type=float, default=1.0, help="of the file; the real one has 6.3")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", nargs=2, metavar=("NAME", "PATH"), help="one run, in this process, as JSON")
    parser.add_argument("--make", action="store_true", help="only make the file")
    arguments = parser.parse_args()
    if arguments.run:
        name, path = arguments.run
        workers = available_cores() if name == AS_IT_IS else 0
        print(json.dumps(asdict(cost_of(RUNS[name], Path(path), workers=workers))))
    elif arguments.make:
        print(made(arguments.size_gb))
    else:
        path = Path(fresh(["--make", "--size-gb", str(arguments.size_gb)]).strip())
        report(path, measured(path, rounds=arguments.rounds))


if __name__ == "__main__":
    main()
