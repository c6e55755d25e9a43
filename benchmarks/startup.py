"""How long the command line takes to say what it can do; heavy imports must wait until they are needed.

    python benchmarks/startup.py [--runs 10]

The best of several runs counts: what a neighbour on the machine takes away is not ours.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

TARGET = 0.5  # s


def best_time(command: Sequence[str], *, runs: int) -> float:
    """Wall-clock seconds of the fastest of several runs of a command."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    """Print the times as a Markdown table."""
    parser = argparse.ArgumentParser(description="Time edmlops --help.")
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    bare = best_time([sys.executable, "-c", "pass"], runs=runs)
    told = best_time([str(Path(sys.executable).with_name("edmlops")), "--help"], runs=runs)
    verdict = "met" if told < TARGET else "missed"
    print("| command | best of runs, s | times a bare interpreter | target |")
    print("|---|---|---|---|")
    print(f"| `python -c pass` | {bare:.3f} | 1 | |")
    print(f"| `edmlops --help` | {told:.3f} | {told / bare:.1f} | under {TARGET} s: {verdict} |")


if __name__ == "__main__":
    main()
