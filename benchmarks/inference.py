"""How fast a home-year is taken apart, as ratios measured in one run on the same cores.

    python benchmarks/inference.py [--seconds 8] [--threads 2] [--json FILE]

Candidates, in samples of mains a second:
- the house's own network: two together, as they ship, one alone and its small form, all appliances at once, and ``nilmformer``
  for one, through the path that users are served: minutes of the sample home in (its four weeks over and over for a year, and for a
  month), heating set apart, windows, the graph in ONNX Runtime, on-states, limits and the rest out;
- ``seq2point`` and ``nilmformer`` for one appliance in PyTorch: batches of windows, and nothing before or after
  the network.

Weights are random: speed does not depend on them, though it does on the home, in which heating is looked for. The candidates take turns, each of a fraction of a second,
and the best turn of each counts: what a neighbour on the machine takes away is not theirs. A home-year's
time is a year of samples at that rate.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from energy_dissagregation_mlops.arena.protocol import load_protocol
from energy_dissagregation_mlops.bundle import ApplianceCard, Card, InputStatistics
from energy_dissagregation_mlops.export import check_parity, to_onnx
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.meter_csv import MeterCsv
from energy_dissagregation_mlops.networks import Network, build
from energy_dissagregation_mlops.vocabulary import FloatArray

APPLIANCES = ("kettle", "fridge", "washing machine", "microwave", "dishwasher")
PROTOCOL = Path(__file__).parents[1] / "configs/benchmarks/refit_simulated_60s.yaml"
SAMPLE = Path(__file__).parents[1] / "src/energy_dissagregation_mlops/service/web/sample_home.csv.gz"
YEAR, MONTH = 525_600, 43_200  # minutes
ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one candidate did."""

    name: str
    num_weights: int
    samples_per_second: float
    year_seconds: float  # for all the appliances that it answers for
    target: int | None  # times as fast as this the house's own shall be; None for those themselves


def served(network: Network, graph: Path, *, threads: int, length: int) -> Callable[[], int]:
    """A turn over so many minutes of a home, through the path that users are served: windows, graph, limits, rest."""
    to_onnx(network, graph)
    check_parity(network, graph)
    disaggregator = Disaggregator.on_cores(card_of(network), graph, threads=threads)
    mains = np.resize(sample_home(), length)

    def turn() -> int:
        return len(disaggregator.disaggregate(mains, start=0.0).mains)

    return turn


def sample_home() -> FloatArray:
    """The mains (T,) W of the home that the page offers."""
    meter = MeterCsv(SAMPLE)
    power = np.concatenate([part.power for part in meter.read(meter.channels[0].key)])
    measured: FloatArray = power[np.isfinite(power)]
    return measured


def card_of(network: Network) -> Card:
    """The facts that inference needs; the others don't change its speed."""
    appliances = tuple(
        ApplianceCard(
            name=name, on_power_threshold=100, max_power=3000, min_on_duration=60, min_off_duration=60,
            power_scale=1000, mean_power=10,
        )
        for name in network.appliances
    )  # fmt: skip
    return Card(
        name="benchmark", version="1", network=network.name, network_options={}, num_weights=0,
        window_length=network.window_length, margin=network.margin,
        alignment=network.alignment if network.local else None, any_length=network.any_length,
        sample_period=60, max_gap=180, mains_scale=1000, appliances=appliances, houses=(), attributions=(),
        input_statistics=InputStatistics(quantiles={}, histogram_edges=(), histogram=(), missing_share=0),
        training={}, git_commit=None, package_version="", seed=0, created="",
    )  # fmt: skip


def house_networks() -> dict[str, Network]:
    """The house's own by name, the one of the shape that ships first."""
    protocol = load_protocol(PROTOCOL)
    alone, small = (protocol.contestant(name) for name in ("gated_unet", "gated_unet-small"))
    return {
        "gated_unets of two": build("gated_unets", APPLIANCES, {**alone.network_options, "members": 2}),
        **{each.name: build(each.network, APPLIANCES, each.network_options) for each in (alone, small)},
    }


def torch_windows(model: nn.Module, shape: tuple[int, int], *, samples: int) -> Callable[[], int]:
    """A turn of one batch through a PyTorch model; ``samples`` of mains are answered for by it."""
    mains = 3000 * torch.rand(shape)
    model.eval()

    def turn() -> int:
        with torch.inference_mode():
            model(mains)
        return samples

    return turn


def best_rates(turns: dict[str, Callable[[], int]], *, seconds: float) -> dict[str, float]:
    """Samples a second of each candidate, the best of the turns that fit into its share of time."""
    best = dict.fromkeys(turns, 0.0)
    for turn in turns.values():
        turn()  # warm: memory is laid out, kernels are chosen
    for _ in range(ROUNDS):
        for name, turn in turns.items():
            until = time.perf_counter() + seconds / ROUNDS
            while True:
                start = time.perf_counter()
                samples = turn()
                end = time.perf_counter()
                best[name] = max(best[name], samples / (end - start))
                if end >= until:
                    break
    return best


def measure(*, seconds: float, threads: int) -> tuple[Result, ...]:
    """Build the candidates, let them take turns, and return them in the module's order."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    ours = house_networks()
    seq2point, nilmformer = (build(name, APPLIANCES[:1], {}) for name in ("seq2point", "nilmformer"))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        candidates = (
            *((f"{name}, {len(APPLIANCES)} appliances, ONNX Runtime", network, None,
               served(network, folder / f"{name}.onnx", threads=threads, length=YEAR)) for name, network in ours.items()),
            ("seq2point, 1 appliance, PyTorch", seq2point, 500,
             torch_windows(seq2point, (64, 599), samples=64)),
            ("nilmformer, 1 appliance, PyTorch", nilmformer, 50,
             torch_windows(nilmformer, (16, 256), samples=16 * 256)),
            ("nilmformer, 1 appliance, ONNX Runtime", nilmformer, 200,
             served(nilmformer, folder / "nilmformer.onnx", threads=threads, length=MONTH)),
        )  # fmt: skip
        rates = best_rates({label: turn for label, _, _, turn in candidates}, seconds=seconds)
    return tuple(
        Result(
            name=label,
            num_weights=sum(weight.numel() for weight in network.parameters()),
            samples_per_second=rates[label],
            year_seconds=YEAR / rates[label],
            target=target,
        )
        for label, network, target, _ in candidates
    )


def told(ours: Result, peer: Result) -> str:
    """How many times as fast as a peer one of the house's own is, and whether that is what it shall be."""
    assert peer.target is not None
    ratio = ours.samples_per_second / peer.samples_per_second
    return f"{ratio:,.0f} x ({peer.target} x: {'met' if ratio >= peer.target else 'missed'})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="for each candidate")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", type=Path, default=Path("reports/inference.json"))
    arguments = parser.parse_args()
    import onnxruntime  # after the package, which keeps it from telling of its use

    results = measure(seconds=arguments.seconds, threads=arguments.threads)
    ours = [result for result in results if result.target is None]
    titles = [each.name.partition(",")[0] + " is" for each in ours]
    print(f"| network | weights | samples/s | a home-year | {' | '.join(titles)} |")
    print(f"|---|---:|---:|---:|{'---:|' * len(ours)}")
    for result in results:
        rate, year = f"{result.samples_per_second:,.0f}", f"{result.year_seconds:,.2f} s"
        faster = ["" if result.target is None else told(one, result) for one in ours]
        print(f"| {result.name} | {result.num_weights:,} | {rate} | {year} | {' | '.join(faster)} |")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "threads": arguments.threads,
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "results": [asdict(result) for result in results],
    }
    arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0  # a missed target stands in the table beside its ratio: the table is what is wanted


if __name__ == "__main__":
    raise SystemExit(main())
