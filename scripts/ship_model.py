"""Makes a bundle of one's own the one that ships with the package.

    python scripts/ship_model.py general [--check HOME.parquet]

What ships is made only to be served, and whoever builds images sends all of it: without the weights apart from the graph, with
a card without indents nor the hashes of manifests in a store that nobody else has, and with the graph's weights stored in 8 bits and a scale for each channel, which ONNX Runtime multiplies
once, when it loads them. Answers are computed in 32 bits as before. Scores stay under the name of the bundle that they were
found of, since rounded weights answer a little otherwise. The script takes apart what --check names (a meter's file of
any kind) before and after, and says by how much the two differ.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.bundle import CARD, GRAPH, SUMS, WEIGHTS, Attribution, Bundle
from energy_dissagregation_mlops.datasets.opening import open_dataset
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.registry import SHIPPED, Registry
from energy_dissagregation_mlops.vocabulary import MAINS, Disaggregation

SMALL = 256  # numbers; biases and constants stay as they are

# Tables don't say whose they are: their publisher does.
_REFIT = (
    "Murray, Stankovic and Stankovic 2017, An electrical load measurements dataset of United Kingdom households from a "
    "two-year longitudinal study, Scientific Data 4:160122, doi:10.1038/sdata.2016.122; as republished by DeviceScope, "
    "averaged to 30 s"
)
CREDITS = {f"refit_house{house}_30s.parquet": f"REFIT, house {house}" for house in (2, 20)}


def main() -> None:
    """Write the bundle to its place in the package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", help="name or name@version in MODELS_PATH")
    parser.add_argument("--check", type=Path, help="a home to compare the answers on")
    arguments = parser.parse_args()
    own = Registry(settings.MODELS_PATH.value(), shipped=None).resolve(arguments.bundle)
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder), shipped=None)
        made = registry.add(own.card.name, lambda place, version: _fill(place, version, own))
        registry.promote(made.card.reference)
        if arguments.check:
            _compare(own, made, arguments.check)
        shutil.rmtree(SHIPPED, ignore_errors=True)
        shutil.copytree(folder, SHIPPED)
    SHIPPED.chmod(0o755)  # a temporary folder is its owner's alone, and images run as somebody else
    sizes = sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file())
    sys.stdout.write(f"{SHIPPED}: {made.card.reference}, {sizes / 1000:.0f} kB\n")


def _fill(place: Path, version: str, own: Bundle) -> None:
    for path in own.folder.iterdir():
        if path.name not in (WEIGHTS, GRAPH, SUMS):
            shutil.copyfile(path, place / path.name)
    attributions = tuple(map(_credited, own.card.attributions))
    card = own.card.model_copy(update={"version": version, "attributions": attributions})
    content = card.model_dump(mode="json")
    for house in content["houses"]:
        del house["manifest_sha256"]
    (place / CARD).write_text(json.dumps(content, separators=(",", ":"), allow_nan=False), encoding="utf-8")
    graph = onnx.load(own.graph)
    _store_in_bytes(graph.graph)
    _without_what_nobody_runs(graph.graph)
    onnx.checker.check_model(graph)
    onnx.save(graph, place / GRAPH)


def _credited(known: Attribution) -> Attribution:
    title = CREDITS.get(known.title)
    return known if title is None else Attribution(title=title, licence="CC BY 4.0", attribution=_REFIT)


def _store_in_bytes(graph: onnx.GraphProto) -> None:
    """Let large weights be 8-bit integers in the file, and two nodes bring each back: whole numbers times their channel's scale."""
    nodes, scales = [], []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < SMALL:
            continue
        name = weight.name
        whole, scale = _in_bytes(values)
        weight.CopyFrom(numpy_helper.from_array(whole, f"{name}_whole"))
        scales.append(numpy_helper.from_array(scale, f"{name}_scale"))
        nodes += [
            helper.make_node("Cast", [f"{name}_whole"], [f"{name}_cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]),
        ]
    graph.initializer.extend(scales)
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)


def _without_what_nobody_runs(graph: onnx.GraphProto) -> None:
    """Take out what only a reader of the graph would look at, and let inner names be numbers."""
    del graph.value_info[:]
    names = {"": ""} | {each.name: each.name for each in (*graph.input, *graph.output)}

    def short(name: str) -> str:
        return names.setdefault(name, f"{len(names):x}")

    for weight in graph.initializer:
        weight.name = short(weight.name)
    for node in graph.node:
        node.ClearField("name")
        del node.metadata_props[:]  # from which line of which file it came
        for values in (node.input, node.output):
            values[:] = map(short, values)


def _in_bytes(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights of any shape as integers from -127 to 127, and what to multiply each of the first dimension's by."""
    largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
    scale = np.where(largest > 0, largest / np.float32(127), np.float32(1))
    return np.round(values / scale).astype(np.int8), scale


def _compare(own: Bundle, made: Bundle, path: Path) -> None:
    before, after = (_taken_apart(bundle, path) for bundle in (own, made))
    for row, name in enumerate(before.appliances):
        energies = [float(np.nansum(found.power[row])) for found in (before, after)]
        change = energies[1] / energies[0] - 1 if energies[0] else 0.0
        differs = np.mean(before.on[row] != after.on[row])
        sys.stdout.write(f"{name}: energy {change:+.3%}, on-state differs in {differs:.4%} of the samples\n")


def _taken_apart(bundle: Bundle, path: Path) -> Disaggregation:
    disaggregator = Disaggregator.load(bundle)
    home = open_dataset(path)
    number = next(iter(home.houses()))
    (mains,) = (meter for meter in home.meters(number) if meter.name == MAINS)
    resampler = disaggregator.resampler()
    for readings in home.read(number, mains.channels[0]):
        resampler.add(readings)
    series = resampler.result()
    if series is None:
        sys.exit(f"{path} holds no readings")
    return disaggregator.disaggregate(series.power, start=series.start)


if __name__ == "__main__":
    main()
