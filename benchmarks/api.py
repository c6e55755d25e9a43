"""How much of bare ONNX Runtime's rate the API keeps, and how it bears too much.

    python benchmarks/api.py [--rounds 3] [--seconds 4] [--models FOLDER] [--json FILE]

A request is one day at one minute (1,440 readings, five appliances), sent by h2load (Debian: nghttp2-client) to a server
on this machine, with a worker for each of two cores that it shares with h2load. Bare ONNX Runtime computes the windows of that same day in a
loop, with nothing read, written or made of its answer: on two threads of one core or one of two, whichever is faster.
Turns are taken, and the best of each counts: what a neighbour on the machine takes away is not ours.

Paced load comes from many connections, each on a beat of its own and started one after another, so that requests come
evenly; 4 times the saturating load is refused in part by design. Memory is the resident set of the server's processes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.runtimes import OnnxRuntime
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.vocabulary import FloatArray

CORES = 2
START = 1_717_200_000  # s since 1970: midnight in summer
DAY, YEAR = 1440, 525_600  # readings
BEAT = 5  # requests a second of each connection of a paced load
CONNECTIONS = 4  # as many as two workers of a core each take on, so that a saturating load is refused nothing
FULL, SHORT = "/v1/disaggregate", "/predict"


def home(length: int) -> FloatArray:
    """The mains (T,) W of a home with a fridge, a kettle and a washing machine, the same each time."""
    minute = np.arange(length)
    mains = 120 + 10 * np.random.default_rng(0).standard_normal(length)
    mains += np.where(minute % 50 < 18, 90, 0)
    mains += np.where(minute % 300 < 3, 2700, 0)
    mains += np.where((minute % 2880 > 600) & (minute % 2880 < 690), 400, 0)
    return np.round(mains, 1).astype(np.float32)


def body(path: str, length: int) -> bytes:
    power = [round(float(watts), 1) for watts in home(length)]
    times = {"start": START, "sample_period": 60} if path == FULL else {}
    return json.dumps({"power": power, **times}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a load was answered with."""

    seconds: dict[int, list[float]]  # of each request, by status
    span: float  # s, from the first request to the last answer

    @property
    def rate(self) -> float:
        """Answers with 200 a second."""
        return len(self.seconds.get(200, [])) / self.span

    def percentile(self, percent: float, status: int = 200) -> float:
        """Seconds within which so many percent of the requests with this status were answered."""
        return float(np.percentile(self.seconds.get(status) or [math.nan], percent))


@dataclass(slots=True, kw_only=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    url: str
    folder: Path
    models: Path

    def post(self, path: str, content: bytes) -> float:
        """Seconds until the answer is here whole."""
        request = urllib.request.Request(self.url + path, content, {"Content-Type": "application/json"})
        begin = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
        return time.perf_counter() - begin

    def memory(self, line: str = "VmRSS") -> list[float]:
        """MB, of each of the server's processes."""
        first = self.process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in (first, *children)]
        found = [re.findall(rf"^{line}:\s+(\d+)", text, flags=re.MULTILINE) for text in texts]
        return [int(each[0]) * 1024 / 1e6 for each in found]

    def load(self, path: str, *arguments: str) -> Answered:
        """Let h2load ask for a day, again and again."""
        content, log = self.folder / "day.json", self.folder / "h2load.log"
        content.write_bytes(body(path, DAY))
        log.unlink(missing_ok=True)
        command = ["h2load", "--h1", "-d", str(content), "-H", "content-type: application/json"]
        command += [f"--log-file={log}", *arguments, self.url + path]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=120)
        rows = np.loadtxt(log, dtype=np.int64, ndmin=2)
        seconds = {
            status: (rows[rows[:, 1] == status, 2] / 1e6).tolist() for status in set(rows[:, 1].tolist())
        }
        return Answered(seconds=seconds, span=float((rows[:, 0] + rows[:, 2]).max() - rows[:, 0].min()) / 1e6)

    def paced(self, rate: float, seconds: float) -> Answered:
        """Ask for so many days a second, evenly."""
        connections = max(1, round(rate / BEAT))
        period = max(1, 1000 // BEAT // connections)  # ms between beats: together they would come as a volley
        spread = ["-r1", f"--rate-period={period}ms"]
        number = max(connections, round(rate * seconds))
        return self.load(FULL, f"-c{connections}", *spread, f"-n{number}", f"--rps={rate / connections:.3f}")


@contextmanager
def served(folder: Path, models: Path) -> Iterator[tuple[Server, float]]:
    """A server of the bundle in production in ``models``, and s from its start to its first answer."""
    log = folder / "server.log"
    environment = {**os.environ, "API_PORT": "0", "MODELS_PATH": str(models), "LOG_FORMAT": "text"}
    environment |= {"LOG_LEVEL": "info", "API_WORKERS": str(CORES)}
    begin = time.perf_counter()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "energy_dissagregation_mlops.api"], env=environment, stderr=file
        )
    try:
        while not (port := re.search(r"listening on http://127\.0\.0\.1:(\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.005)
        server = Server(process=process, url=f"http://127.0.0.1:{port[1]}", folder=folder, models=models)
        server.post(FULL, body(FULL, DAY))  # the socket listens already: it waits
        yield server, time.perf_counter() - begin
    finally:
        process.terminate()
        process.wait(60)


def windows(bundle: Bundle) -> FloatArray:
    """The windows (N, L) W of the day."""
    first = round(START / bundle.card.sample_period)
    framing = Disaggregator.load(bundle).framing.fitted(DAY, first=first)
    return np.ascontiguousarray(framing.cut(home(DAY), first=first))


def bare_rate(
    run: Callable[[FloatArray], object], mains: FloatArray, *, threads: int, seconds: float
) -> float:
    """Runs a second of a graph on so many threads, each in a loop."""

    def loop(_: int) -> int:
        number = 0
        while time.perf_counter() < stop:
            run(mains)
            number += 1
        return number

    begin = time.perf_counter()
    stop = begin + seconds
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(loop, range(threads))) / (time.perf_counter() - begin)


class Watch:
    """Asks for health, and looks at the memory, all through a load."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.health: list[float] = []  # s
        self.memory: list[float] = []  # MB
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            begin = time.perf_counter()
            with urllib.request.urlopen(f"{self.server.url}/health", timeout=60) as answer:
                answer.read()
            self.health.append(time.perf_counter() - begin)
            self.memory.append(sum(self.server.memory()))


@dataclass(slots=True, kw_only=True)
class Result:
    """The best of all turns."""

    start: float = math.inf  # s
    idle: float = math.inf  # MB
    bare: float = 0.0  # days a second
    full: float = 0.0
    short: float = 0.0
    unloaded: float = math.inf  # s, median
    half: float = math.inf  # s, p99 at half of the saturating load
    over: float = math.inf  # s, p99 of those accepted at 4 times of it
    over_refused: float = math.inf  # s, p99
    over_share: float = math.nan  # of requests that were refused
    over_others: int = 0  # answers that are neither 200 nor 429
    over_growth: float = math.inf  # MB
    health: float = math.inf  # s, slowest
    year: float = math.inf  # s
    year_memory: float = math.inf  # MB above idle


def rates(result: Result, server: Server, seconds: float) -> None:
    bundle = Registry(server.models).resolve()
    mains = windows(bundle)
    for threads in (1, CORES):
        runtime = OnnxRuntime(bundle.graph, threads=CORES // threads)
        result.bare = max(result.bare, bare_rate(runtime, mains, threads=threads, seconds=seconds / 2))
    closed = (f"-c{CONNECTIONS}", f"-D{math.ceil(seconds)}")
    result.full = max(result.full, server.load(FULL, *closed).rate)
    result.short = max(result.short, server.load(SHORT, *closed).rate)
    result.unloaded = min(result.unloaded, server.load(FULL, "-c1", "-n200").percentile(50))


def loads(result: Result, server: Server, seconds: float) -> None:
    result.half = min(result.half, server.paced(result.full / 2, seconds).percentile(99))
    before = sum(server.memory())
    with Watch(server) as watch:
        over = server.paced(4 * result.full, seconds)
    if over.percentile(99) < result.over:
        number = sum(len(each) for each in over.seconds.values())
        result.over, result.over_refused = over.percentile(99), over.percentile(99, 429)
        result.over_share = len(over.seconds.get(429, [])) / number
    result.over_others = sum(len(each) for status, each in over.seconds.items() if status not in (200, 429))
    result.over_growth = min(result.over_growth, max(watch.memory) - before)
    result.health = min(result.health, max(watch.health))


def measured(*, rounds: int, seconds: float, models: Path | None) -> Result:
    result = Result()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = models or folder / "none"  # then the one that ships with the package answers
        for _ in range(rounds):
            with served(folder, models) as (server, start):
                idle = server.memory()
                result.start, result.idle = min(result.start, start), min(result.idle, max(idle))
                result.year = min(result.year, server.post(FULL, body(FULL, YEAR)))
                grown = max(high - before for high, before in zip(server.memory("VmHWM"), idle, strict=True))
                result.year_memory = min(result.year_memory, grown)
        with served(folder, models) as (server, _):
            for measure in (rates, loads):
                for _ in range(rounds):
                    measure(result, server, seconds)
    return result


def table(found: Result) -> str:
    """The result in Markdown."""
    ratio, short = found.full / found.bare, found.short / found.bare
    half, over = found.half / found.unloaded, found.over / found.unloaded
    rows = [
        ("bare ONNX Runtime, days/s", f"{found.bare:.0f}", "", None),
        (f"`POST {FULL}`, of that", f"{ratio:.2f} ({found.full:.0f}/s)", "at least 0.7", ratio >= 0.7),
        (f"`POST {SHORT}`, of that", f"{short:.2f} ({found.short:.0f}/s)", "at least 0.7", short >= 0.7),
        ("unloaded median", f"{found.unloaded * 1e3:.1f} ms", "", None),
        ("p99 at half load, times that", f"{half:.1f}", "under 5", half < 5),
        ("4 times the load: p99 of the accepted, times that", f"{over:.1f}", "under 5", over < 5),
        ("share that gets 429", f"{found.over_share:.0%}", "the rest", found.over_others == 0),
        ("p99 until 429", f"{found.over_refused * 1e3:.0f} ms", "", None),
        ("slowest `GET /health`", f"{found.health * 1e3:.0f} ms", "under 100 ms", found.health < 0.1),
        ("memory's growth", f"{found.over_growth:.0f} MB", "under 20 MB", found.over_growth < 20),
        ("a home-year in one request", f"{found.year:.1f} s", "under 3 s", found.year < 3),
        ("its memory above idle", f"{found.year_memory:.0f} MB", "under 500 MB", found.year_memory < 500),
        ("start to first answer", f"{found.start:.2f} s", "under 2 s", found.start < 2),
        ("memory of one worker, idle", f"{found.idle:.0f} MB", "under 250 MB", found.idle < 250),
    ]  # fmt: skip
    lines = ["| | measured | target |", "|---|---|---|"]
    for what, value, target, met in rows:
        verdict = "" if met is None else ": met" if met else ": missed"
        lines.append(f"| {what} | {value} | {target}{verdict} |")
    return "\n".join(lines)


def main() -> None:
    """Print the figures as a Markdown table."""
    parser = argparse.ArgumentParser(description="Load the API.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument(
        "--models", type=Path, help="a registry, whose model in production is served; by default what ships"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if shutil.which("h2load") is None:
        sys.exit("error: h2load is not here: install it with `apt-get install nghttp2-client`")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    found = measured(rounds=options.rounds, seconds=options.seconds, models=options.models)
    if options.json:
        options.json.write_text(json.dumps(asdict(found)))
    print(table(found))


if __name__ == "__main__":
    main()
