"""A network as an ONNX graph, watts in and watts out, and the proof that both say the same.

The graph takes ``mains`` (N, L) float32 W, NaN where missing, and gives ``power`` (N, A, K) W and
``on_probability`` (N, A, K). N is free, and L too, by multiples of the alignment, where a network takes any length. Which appliances, and how long margin and window are, stands in
the graph's metadata for whoever meets the file alone; a bundle's card says it too, and more.

Shapes: N windows, L window_length, A appliances, K core.
"""

from __future__ import annotations

import io
import json
import logging
import pickle
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from energy_dissagregation_mlops.bundle import INPUT, OUTPUTS, Bundle, Card
from energy_dissagregation_mlops.errors import (
    BundleError,
    ConfigError,
    ParityError,
    UnknownNameError,
    one_line,
)
from energy_dissagregation_mlops.files import atomic_file
from energy_dissagregation_mlops.networks import build
from energy_dissagregation_mlops.networks.contract import Network
from energy_dissagregation_mlops.vocabulary import FloatArray

MAX_POWER_DIFFERENCE = 0.5  # W, and for more than 5 kW the relative one below
MAX_RELATIVE_DIFFERENCE = 1e-4
MAX_PROBABILITY_DIFFERENCE = 1e-3
_OPSET = 18  # the exporter's own, so that nothing is converted; every ONNX Runtime since 1.14 runs it
_PROBES = 3  # windows of each kind of input


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The largest differences found between a network and its exported graph."""

    power: float  # W
    on_probability: float
    num_windows: int


class _Graph(nn.Module):
    """The network with a probability instead of log odds: what the file holds."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, mains: Tensor) -> tuple[Tensor, Tensor]:
        output = self.network(mains)
        return output.power, torch.sigmoid(output.on_logit)


def to_onnx(network: Network, path: Path) -> None:
    """Write the network's graph and weights as one ONNX file, whole or not at all.

    Raises:
        EdmlopsError: the file can't be written.
    """
    was_training = network.training
    example = torch.zeros(2, network.window_length, device=network.mains_scale.device)
    try:
        with _quiet():
            program = torch.onnx.export(
                _Graph(network).eval(),
                (example,),
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_shapes=(_free(network),),
                opset_version=_OPSET,
                dynamo=True,
                verbose=False,
            )
            assert program is not None
            _strip(program)
            program.model.metadata_props.update(_metadata(network))
            with atomic_file(path) as aside:
                program.save(aside, external_data=False)
    finally:
        network.train(was_training)


def _free(network: Network) -> dict[int, object]:
    """The sizes of the graph's input that are not fixed, by dimension."""
    windows = torch.export.Dim("windows")
    if not network.any_length:
        return {0: windows}
    shortest = 2 * network.margin // network.alignment + 1
    steps = torch.export.Dim("steps", min=shortest)
    return {0: windows, 1: network.alignment * steps if network.alignment > 1 else steps}


def _strip(program: torch.onnx.ONNXProgram) -> None:
    """Take out the exporter's notes: they hold this machine's paths, and a tenth of the file."""
    graph = program.model.graph
    graph.metadata_props.clear()
    for value in (*graph.inputs, *graph.initializers.values()):
        value.metadata_props.clear()
    for node in graph:
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()


def _metadata(network: Network) -> dict[str, str]:
    return {
        "network": network.name,
        "appliances": json.dumps(network.appliances),
        "window_length": str(network.window_length),
        "margin": str(network.margin),
        "alignment": str(network.alignment),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's progress lines, and its warnings about operators that nobody uses here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def network_of(card: Card) -> Network:
    """The network that a card names, with weights at random."""
    return build(card.network, card.appliance_names, card.network_options)


def restored(bundle: Bundle) -> Network:
    """A bundle's network with its weights.

    Raises:
        BundleError: the weights are not those of the network that the card names.
    """
    card = bundle.card
    try:
        network = network_of(card)
        network.load_state_dict(torch.load(bundle.weights, map_location="cpu", weights_only=True))
    except (RuntimeError, KeyError, pickle.UnpicklingError, UnknownNameError, ConfigError) as error:
        raise BundleError(
            f"{bundle.weights} are not the weights of {card.network} ({one_line(error)}): train or copy the bundle again"
        ) from None
    return network.eval()


def checked_graph(bundle: Bundle, output: Path | None = None) -> tuple[Path, Parity]:
    """Check a bundle's graph against its network, and copy it to ``output`` where one is named.

    Raises:
        BundleError: the weights can't be loaded.
        ParityError: graph and network differ.
        EdmlopsError: ``output`` can't be written.
    """
    parity = check_parity(restored(bundle), bundle.graph)
    return copied_graph(bundle, output), parity


def copied_graph(bundle: Bundle, output: Path | None) -> Path:
    """Where a bundle's graph is: in it, or copied to ``output`` where one is named.

    Raises:
        EdmlopsError: ``output`` can't be written.
    """
    if output is None:
        return bundle.graph
    with atomic_file(output) as aside:
        shutil.copyfile(bundle.graph, aside)
    return output


def check_parity(network: Network, path: Path) -> Parity:
    """Compare the graph at ``path`` with the network on noise, lifelike, missing and extreme mains.

    Windows are as long as in training and, where the graph takes any length, as short as may be and twice as long.

    Raises:
        ParityError: they differ by more than this module's limits, or a value is not finite.
    """
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    lengths = {network.window_length}
    if not isinstance(session.get_inputs()[0].shape[1], int):
        lengths |= {2 * network.margin + network.alignment, 2 * network.window_length}
    found = [_parity(network, session, path, probe_windows(length)) for length in sorted(lengths)]
    return Parity(
        power=max(each.power for each in found),
        on_probability=max(each.on_probability for each in found),
        num_windows=sum(each.num_windows for each in found),
    )


def _parity(network: Network, session: onnxruntime.InferenceSession, path: Path, mains: FloatArray) -> Parity:
    found_power, found_probability = session.run(list(OUTPUTS), {INPUT: mains})
    power, probability = _answers(network, mains)
    if found_power.shape != power.shape or found_probability.shape != probability.shape:
        raise ParityError(
            f"{path}: expected answers of shape {power.shape}, found {found_power.shape}: export it again"
        )
    parity = Parity(
        power=float(np.max(np.abs(found_power - power))),
        on_probability=float(np.max(np.abs(found_probability - probability))),
        num_windows=len(mains),
    )
    allowed = max(MAX_POWER_DIFFERENCE, MAX_RELATIVE_DIFFERENCE * float(np.max(power)))
    # Written so that NaN, on either side, fails too.
    if not (parity.power <= allowed and parity.on_probability <= MAX_PROBABILITY_DIFFERENCE):
        raise ParityError(
            f"{path} differs from its network by {parity.power:.3g} W and {parity.on_probability:.3g} in probability: "
            f"expected at most {allowed:.3g} W and {MAX_PROBABILITY_DIFFERENCE:g}; export it again"
        )
    return parity


def _answers(network: Network, mains: FloatArray) -> tuple[FloatArray, FloatArray]:
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            power, probability = _Graph(network)(torch.from_numpy(mains).to(network.mains_scale.device))
    finally:
        network.train(was_training)
    return power.cpu().numpy(), probability.cpu().numpy()


def probe_windows(window_length: int) -> FloatArray:
    """Mains (N, L) W to compare on, the same each time: noise, homes, gaps, nothing, zeros, 30 kW."""
    generator = np.random.default_rng(0)
    shape = (_PROBES, window_length)
    noise = generator.uniform(0, 8000, shape)
    home = 150 + 40 * generator.standard_normal(shape)
    for row in home:
        for start in generator.integers(0, window_length, size=max(1, window_length // 60)):
            row[start : start + generator.integers(1, 40)] += generator.uniform(80, 3000)
    gaps = np.where(generator.random(shape) < 0.3, np.nan, home)
    extremes = np.stack(
        [np.full(window_length, value) for value in (np.nan, 0.0, 30_000.0, -50.0)]
        + [np.where(np.arange(window_length) % 2, 30_000.0, np.nan)]
    )
    return np.concatenate([noise, home, gaps, extremes]).astype(np.float32)
