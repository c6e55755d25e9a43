"""How long a person waits for the page: from the file's choice to the chart, and for each frame of zooming and panning.

    python benchmarks/page.py [--rounds 3]

The page in headless Chromium (Debian: chromium), before a server of one worker on the same cores, with the bundle that
ships. The time runs from handing over the file to the first frame after the page has said that it is read, with tables and
chart in place. Frames: over a year, a turn of the wheel or a step of a drag to the frame that shows it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from playwright.sync_api import Page

START = np.datetime64("2024-01-01T00:00")
DAYS = {"a day": 1, "a month": 30, "a year": 365}
STEPS = 30  # of zooming, and of panning
_FRAME = "() => new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen)))"


def meter_file(folder: Path, days: int) -> Path:
    """A CSV of a home's mains, a reading a minute."""
    minute = np.arange(days * 1440)
    mains = 120 + 10 * np.random.default_rng(0).standard_normal(len(minute))
    mains += np.where(minute % 50 < 18, 90, 0) + np.where(minute % 300 < 3, 2700, 0)
    mains += np.where((minute % 2880 > 600) & (minute % 2880 < 690), 400, 0)
    times = np.datetime_as_string(START + minute.astype("timedelta64[m]"), unit="s")
    path = folder / f"{days}.csv"
    path.write_text("time,power\n" + "".join(f"{at}Z,{w:.1f}\n" for at, w in zip(times, mains, strict=True)))
    return path


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A server's address."""
    log = folder / "server.log"
    environment = {**os.environ, "API_PORT": "0", "MODELS_PATH": str(folder / "none"), "LOG_FORMAT": "text"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "energy_dissagregation_mlops.api"], env=environment, stderr=file
        )
    try:
        while "startup complete" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield re.findall(r"http://127\.0\.0\.1:\d+", log.read_text())[0]
    finally:
        process.terminate()
        process.wait(60)


def shown(page: Page, path: Path) -> float:
    """s until the page shows what is in a file."""
    begin = time.perf_counter()
    page.set_input_files("#file", path)
    page.get_by_text(f"{path.name} is read.").wait_for()
    page.evaluate(_FRAME)
    return time.perf_counter() - begin


def frames(page: Page) -> list[float]:
    """s until each step of zooming into the chart, and of panning in it, is seen."""
    chart = page.locator("#chart canvas").first
    box = chart.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    found = []
    for step in range(2 * STEPS):
        if step == STEPS:
            page.mouse.down()
        begin = time.perf_counter()
        if step < STEPS:
            page.mouse.wheel(0, -40)
        else:
            page.mouse.move(x - 4 * (step - STEPS + 1), y)
        page.evaluate(_FRAME)
        found.append(time.perf_counter() - begin)
    page.mouse.up()
    return found


def table(seconds: dict[str, list[float]], steps: list[float]) -> str:
    """The figures in Markdown."""
    lines = ["| a reading a minute | s until it is shown: least | median |", "|---|---|---|"]
    lines += [f"| {name} | {min(each):.2f} | {median(each):.2f} |" for name, each in seconds.items()]
    percentile = np.percentile(steps, 95) * 1e3
    lines.append("")
    lines.append(
        f"A step of zooming or panning over the year is seen after {median(steps) * 1e3:.0f} ms (median; 95 % within "
        f"{percentile:.0f} ms); two frames of 60 Hz, 33 ms, are the least that can be measured so."
    )
    return "\n".join(lines)


def main() -> None:
    """Print the figures as a Markdown table."""
    parser = argparse.ArgumentParser(description="Wait for the page.")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    browser_path = shutil.which("chromium")
    if browser_path is None:
        sys.exit("error: chromium is not here: install it with `apt-get install chromium`")
    from playwright.sync_api import sync_playwright

    seconds: dict[str, list[float]] = {name: [] for name in DAYS}
    steps: list[float] = []
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"]
        )
        files = {each: meter_file(Path(name), days) for each, days in DAYS.items()}
        for _ in range(options.rounds):
            for each, path in files.items():
                page = chromium.new_page(timezone_id="Europe/London")
                page.goto(url)
                seconds[each].append(shown(page, path))
                if path == files["a year"]:
                    steps += frames(page)
                page.close()
        chromium.close()
    print(table(seconds, steps))


if __name__ == "__main__":
    main()
