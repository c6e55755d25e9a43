"""What the benchmark of many homes found, as Markdown: its table, its targets, and a million homes a day by arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from energy_dissagregation_mlops.batch.inputs import BYTES_PER_SORTING, ROWS_PER_BUCKET, num_buckets_of

if TYPE_CHECKING:
    from scale import Result  # type: ignore[import-not-found]

TWO_TARGET, LOOP_TARGET, MEMORY_TARGET = 1.7, 0.9, 1000
FLAT = 1.1  # times the memory of a tenth of the homes
MILLION = 1_000_000
READINGS = 1440  # of a home's day
CORES = 8  # of a machine
LINK = 125e6  # bytes a second of a machine's network: 1 Gbit/s
Value = Callable[["Result"], float]


def report(found: Sequence[Result], *, days: int, price: float) -> Iterator[str]:
    """All that is known, in the order of its telling."""
    from scale import DAY_POWER, DAY_ROWS, EACH

    yield from table(found, days)
    yield from verdicts(found)
    yield from scheduler(found)
    if all(any(each.way == way for each in found) for way in (DAY_ROWS, DAY_POWER, EACH)):
        yield from million(found, price)


def table(found: Sequence[Result], days: int) -> Iterator[str]:
    """Each way's figures."""
    from scale import EACH

    ways = list(dict.fromkeys(each.way for each in found if each.part != "tasks"))
    yield "| | homes | s | homes/s | processor s a home | peak memory of a worker, MB |"
    yield "|---|---|---|---|---|---|"
    for way in ways:
        of_way = [each for each in found if each.way == way]
        seconds, processor, rate = (
            median(map(value, of_way))
            for value in (lambda each: each.seconds, lambda each: each.processor / each.count, _rate)
        )
        peak = max(each.peak_mb for each in of_way)
        yield (
            f"| {way} | {of_way[0].count:,} | {seconds:.1f} | {_short(rate)} | {_short(processor)} | {peak:.0f} |"
        )
    rounds = 1 + max((each.round for each in found), default=0)
    loads = [each.load for each in found if each.way != EACH] or [0.0]
    yield (
        f"\nHomes of {days} days at 1 min with power series, but where it says otherwise. Median of {rounds} turns; "
        f"the machine's load when one began, which still counts the one before: {min(loads):.1f} to {max(loads):.1f}.\n"
    )


def _rate(each: Result) -> float:
    return each.rate


def _cheapness(each: Result) -> float:
    return each.count / each.processor


def ratios(found: Sequence[Result], over: str, under: str, value: Value) -> list[float]:
    """Of one way to another, round by round."""
    by_way = {way: {each.round: each for each in found if each.way == way} for way in (over, under)}
    return [
        value(by_way[over][number]) / value(by_way[under][number])
        for number in sorted(by_way[over].keys() & by_way[under].keys())
    ]


def verdicts(found: Sequence[Result]) -> Iterator[str]:
    """Each target, and whether it was met."""
    from scale import ALL, FEW, LOOP, ONE, TWO

    for what, over, under, target in (
        ("Two workers over one", TWO, ONE, TWO_TARGET),
        ("A worker over the loop", ONE, LOOP, LOOP_TARGET),
    ):
        rates, cheap = (ratios(found, over, under, value) for value in (_rate, _cheapness))
        if rates:
            yield (
                f"- {what}: {_spread(rates)} times, at least {target}: {_verdict(median(rates) >= target)}; homes a second of "
                f"processor time {_spread(cheap)}."
            )
    few, all_ = (next((each for each in found if each.way == way), None) for way in (FEW, ALL))
    if all_ is not None:
        met = _verdict(all_.peak_mb < MEMORY_TARGET)
        yield f"- Memory of a worker {all_.peak_mb:.0f} MB, under {MEMORY_TARGET}: {met}."
    if few is not None and all_ is not None:
        flat = all_.peak_mb / few.peak_mb
        yield (
            f"- Flat: {few.peak_mb:.0f} MB for {few.count} homes, {all_.peak_mb:.0f} MB for {all_.count}, {flat:.2f} times "
            f"(at most {FLAT}): {_verdict(flat < FLAT)}."
        )


def scheduler(found: Sequence[Result]) -> Iterator[str]:
    """What a run of tiny partitions costs the scheduler."""
    for each in found:
        if each.part == "tasks":
            num = each.facts["tasks"]
            yield (
                f"- {each.count:,} {each.way}: {num:,.0f} tasks through the scheduler in {each.seconds:,.1f} s, "
                f"{num / each.seconds:,.0f} a second, {1000 * each.processor / num:.2f} ms of processor time each; scheduler "
                f"and driver took {each.peak_mb:.0f} MB."
            )


def million(found: Sequence[Result], price: float) -> Iterator[str]:
    """The arithmetic for a million homes' day, from these figures alone."""
    from scale import ALL, DAY_FILES, DAY_POWER, DAY_ROWS, EACH

    by_way = {each.way: each for each in found}
    rows, power, each_task = by_way[DAY_ROWS], by_way[DAY_POWER], by_way[EACH]
    home, with_power = (one.processor / one.count for one in (rows, power))  # s
    hours, hours_power = (MILLION * one / 3600 for one in (home, with_power))
    per_home = {name: value / rows.count for name, value in rows.facts.items()}
    power_bytes = power.facts["bytes_power"] / power.count
    out = per_home["bytes_daily"] + per_home["bytes_activations"]
    buckets = -(-MILLION * READINGS // ROWS_PER_BUCKET)
    sortings = -(-MILLION * per_home["bytes_in"] // BYTES_PER_SORTING)
    task = MILLION * home / buckets
    sorting = rows.facts["sorting_processor"] / rows.count
    handed = each_task.facts["tasks"] / each_task.seconds  # tasks a second
    yield "\n### A million homes a day\n"
    yield (
        f"Arithmetic from the figures above. A home's day costs {1000 * home:.1f} ms of processor time as a row of many, "
        f"{1000 * sorting:.2f} ms of it to sort, {1000 * with_power:.1f} ms with power series; it is {_kb(per_home['bytes_in'])} of "
        f"Parquet in, {_kb(per_home['bytes_sorted'])} sorted, {_kb(out)} out and {_kb(power_bytes)} more with power.\n"
    )
    yield "| | for 10⁶ homes of a day |"
    yield "|---|---|"
    yield (
        f"| processor time | {hours:.1f} core-hours ({hours_power:.1f} with power): a machine of {CORES} cores in "
        f"{60 * hours / CORES:.0f} min, ten of them in {6 * hours / CORES:.1f} min; a year's days, one by one, "
        f"{365 * hours:,.0f} core-hours |"
    )
    yield (
        f"| cost | at {price:g} a core-hour {hours * price:.2f} a day ({hours_power * price:.2f} with power), "
        f"{365 * hours * price:,.0f} a year |"
    )
    yield (
        f"| network | {_gb(per_home['bytes_in'])} in, {_gb(per_home['bytes_sorted'])} out and in again for rows that have to "
        f"be sorted, {_gb(out)} out, {_gb(power_bytes)} more with power |"
    )
    yield (
        f"| tasks | {buckets:,.0f} buckets of {ROWS_PER_BUCKET / 1e6:.0f} M rows, {task:.0f} s each, and {sortings:,.0f} that sort |"
    )
    yield f"| files out | {2 * buckets:,.0f}, with power {3 * buckets:,.0f} |"
    yield "\nWhat breaks first:\n"
    yield (
        f"1. **The scheduler**, if a home's day were a task: at {handed:,.0f} a second it feeds {handed * home:.1f} cores, and "
        f"handing a million out takes {MILLION / handed / 60:,.0f} min. In buckets of {task:.0f} s it feeds "
        f"{handed * task:,.0f}, so tasks are buckets."
    )
    if DAY_FILES in by_way:
        small = by_way[DAY_FILES]
        cost, size = small.processor / small.count, small.facts["bytes_in"] / small.count
        num = num_buckets_of(round(MILLION * size))
        yield (
            f"2. **Small files.** A home's day in a file of its own ({_kb(size)}) costs {1000 * cost:.1f} ms, {cost / home:.2f} times as "
            f"a row of many: a million files are {num:,} buckets of {MILLION * cost / num:.0f} s, and a million names to list. A year "
            f"of days in one run, as rows, would be {365 * buckets:,.0f} buckets and {365 * buckets * 24:,.0f} files by month; sorting F "
            "files into B buckets reads F times B pieces. A day or a month at a time stays far below."
        )
    rate_in = CORES / home * (per_home["bytes_in"] + 2 * per_home["bytes_sorted"] + out)
    yield (
        f"3. **The network**, last: {CORES} cores move {rate_in / 1e6:.1f} MB/s ({(rate_in + CORES / with_power * power_bytes) / 1e6:.1f} "
        f"with power), {100 * rate_in / LINK:.0f} % of 1 Gbit/s."
    )
    if ALL in by_way:
        year = by_way[ALL]
        yield (
            f"\nHomes of a year at once, for comparison: {year.processor / year.count:.2f} s of processor time each with power, so a million "
            f"{MILLION * year.processor / year.count / 3600:,.0f} core-hours."
        )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def _kb(num_bytes: float) -> str:
    return f"{num_bytes / 1000:.1f} kB"


def _gb(bytes_per_home: float) -> str:
    return f"{bytes_per_home * MILLION / 1e9:.1f} GB"
