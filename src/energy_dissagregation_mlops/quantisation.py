"""A bundle's graph in 8-bit integers: smaller, and its loss in accuracy measured, not assumed.

The convolutions inside the network are computed in integers, unsigned activations times signed weights, a
scale for each channel: what ONNX Runtime's kernels do fastest on a CPU. Weights have 7 bits: without VNNI
two products are summed in 16 bits, which 8 would overflow. The first convolutions stay as they are,
since watts over all of a home's range don't fit into 256 steps, and so do the heads: the graph takes and gives
watts as before, NaN where missing. Ranges come from the training stretches, the loss from those that were
validated on; test houses are never opened.

Shapes: N windows, L window_length, T series length, A appliances.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from energy_dissagregation_mlops import as_trained
from energy_dissagregation_mlops import bundle as bundles
from energy_dissagregation_mlops.bundle import Bundle, Quantisation, QuantisedAppliance
from energy_dissagregation_mlops.errors import ConfigError, ParityError
from energy_dissagregation_mlops.files import json_text
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.runtimes import OnnxRuntime
from energy_dissagregation_mlops.metrics import Totals, Trace, f1, mae, or_none, totals
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.vocabulary import Disaggregation, FloatArray
from energy_dissagregation_mlops.windows import Framing

logger = logging.getLogger(__name__)

SUFFIX = "-int8"
# What a quantised graph may lose on the validation stretches, of each appliance.
MAX_MAE_LOSS = 1.0  # W, or as a share of the MAE:
MAX_MAE_LOSS_SHARE = 0.05
MAX_F1_LOSS = 0.02
# Samples whose on-state changes. What F1 does not feel changes as often for the better; beyond this it is another model.
MAX_FLIPPED = 0.05

# Of the first nodes inside the network so many may stay as they are, until the rest loses little enough.
_MOST_KEPT = 4
_NUM_WINDOWS = 192  # that ranges are taken from: three quarters spread evenly, the rest of the most power
_SPEED_SAMPLES = 1 << 14  # of a run that is timed, as the service's are
_SPEED_TURNS = 30  # runs of each graph, one after the other; the fastest counts
_CONVOLUTION = "Conv"
_SUM = "Add"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What a graph says of one appliance on the validation stretches."""

    sums: Totals
    power: FloatArray  # (T,) W, of all stretches, one after the other
    on: FloatArray  # (T,) 0 or 1, NaN where it says nothing


def quantise(store: Store, registry: Registry, bundle: Bundle) -> Bundle:
    """Add a bundle that is another's in 8-bit integers, under its name and ``-int8``.

    Args:
        store: the houses that the bundle was trained on.
        registry: where the new one goes.
        bundle: of a convolutional network.

    Raises:
        ConfigError: there is nothing to quantise, or nothing to measure the loss on.
        StoreError, UnknownNameError: a house is not in the store, or not as it was in training.
        ParityError: too much accuracy is lost.
    """
    card = bundle.card
    if card.quantisation is not None:
        raise ConfigError(f"{card.reference} is quantised already: name {card.quantisation.source}")
    split = as_trained.split(as_trained.houses_of(store, card), card)
    if not split.validation:
        raise ConfigError(f"{card.reference} was validated on nothing, so its loss can't be measured")
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder, bundles.GRAPH)
        windows = _windows(split.training, Framing(window_length=card.window_length, margin=card.margin))
        found = _tried(bundle, graph, split.validation, windows)

        def fill(aside: Path, version: str) -> None:
            shutil.copyfile(graph, aside / bundles.GRAPH)
            metrics = bundle.metrics()
            assert isinstance(metrics, dict)
            (aside / bundles.METRICS).write_text(
                json_text({**metrics, "quantisation": found.model_dump(mode="json")}), encoding="utf-8"
            )
            update = {
                "name": card.name + SUFFIX, "version": version, "quantisation": found, "unseen": (),
                "description": f"{card.description} In 8-bit integers, from {card.reference}.".strip(),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }  # fmt: skip
            bundles.write_card(aside, card.model_copy(update=update))

        return registry.add(card.name + SUFFIX, fill)


def _tried(
    bundle: Bundle, graph: Path, validation: Sequence[TrainingSeries], windows: FloatArray
) -> Quantisation:
    """Write the graph with as many convolutions in integers as lose little: those nearest to the watts cost most."""
    inner = inner_nodes(onnx.load(bundle.graph))
    if not inner:
        raise ConfigError(
            f"{bundle.card.reference} ({bundle.card.network}) has no convolution between others: only convolutional "
            "networks are quantised"
        )
    for num_kept in range(min(_MOST_KEPT, len(inner) - 1) + 1):
        _write(bundle.graph, graph, windows, nodes=inner[num_kept:])
        found = _measured(bundle, graph, validation, windows)
        try:
            check(found)
        except ParityError as error:
            refused = error
            logger.info("with %d of %d nodes in integers: %s", len(inner) - num_kept, len(inner), error)
            continue
        return found
    raise refused


def check(found: Quantisation) -> None:
    """Refuse a graph that lost too much.

    Raises:
        ParityError: an appliance's loss is beyond this module's limits, or is no number.
    """
    for each in found.appliances:
        allowed = max(MAX_MAE_LOSS, MAX_MAE_LOSS_SHARE * (each.mae or 0))
        lost = (each.mae_int8 or 0) - (each.mae or 0)
        lost_f1 = (each.f1 or 0) - (each.f1_int8 or 0)
        if not (lost <= allowed and lost_f1 <= MAX_F1_LOSS and each.flipped <= MAX_FLIPPED):
            raise ParityError(
                f"in 8 bits {each.appliance} loses {lost:.2g} W of MAE and {lost_f1:.2g} of F1, and {each.flipped:.2%} of its "
                f"on-states change: expected at most {allowed:.2g} W, {MAX_F1_LOSS:g} and {MAX_FLIPPED:.0%}; serve the "
                "bundle as it is"
            )


def _windows(training: Sequence[TrainingSeries], framing: Framing) -> FloatArray:
    """Windows (N, L) W that show what the mains can be."""
    every: FloatArray = np.concatenate([framing.cut(one.mains, first=one.first) for one in training])
    if len(every) <= _NUM_WINDOWS:
        return every
    mean = np.nan_to_num(np.nanmean(np.nan_to_num(every), axis=1))
    liveliest = np.argsort(mean)[-_NUM_WINDOWS // 4 :]
    spread = np.linspace(0, len(every) - 1, _NUM_WINDOWS - len(liveliest)).round().astype(int)
    chosen: FloatArray = every[np.unique(np.concatenate([spread, liveliest]))]
    return chosen


def _write(source: Path, target: Path, windows: FloatArray, *, nodes: Sequence[str]) -> None:
    """Write a graph with these nodes in integers, their ranges from windows (N, L) W."""
    from onnxruntime import quantization as ort

    class Windows(ort.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rest = iter(windows)

        def get_next(self) -> dict[str, FloatArray] | None:
            window = next(self._rest, None)
            return None if window is None else {"mains": np.ascontiguousarray(window[None])}

    with _silence():
        ort.quantize_static(
            source, target, Windows(), quant_format=ort.QuantFormat.QDQ, nodes_to_quantize=list(nodes),
            op_types_to_quantize=[_CONVOLUTION, _SUM], per_channel=True, reduce_range=True,
            activation_type=ort.QuantType.QUInt8, weight_type=ort.QuantType.QInt8,
        )  # fmt: skip


def inner_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions that have some before and some behind them, and of the sums between."""
    before: dict[str, bool] = {}  # by value: whether a convolution stands before it
    for node in model.graph.node:
        reached = node.op_type == _CONVOLUTION or any(before.get(each, False) for each in node.input)
        before |= dict.fromkeys(node.output, reached)
    behind: dict[str, bool] = {}  # by value: whether a convolution stands behind it
    for node in reversed(model.graph.node):
        reaches = node.op_type == _CONVOLUTION or any(behind.get(each, False) for each in node.output)
        behind |= {each: reaches or behind.get(each, False) for each in node.input}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in (_CONVOLUTION, _SUM)
        and any(before.get(each, False) for each in node.input)
        and any(behind.get(each, False) for each in node.output)
    ]


def _measured(
    bundle: Bundle, graph: Path, validation: Sequence[TrainingSeries], windows: FloatArray
) -> Quantisation:
    """What is won and lost, on the path that users are served."""
    card = bundle.card
    plain = _outcomes(Disaggregator(card, OnnxRuntime(bundle.graph)), validation)
    quantised = _outcomes(Disaggregator(card, OnnxRuntime(graph)), validation)
    return Quantisation(
        source=card.reference,
        source_sha256=bundle.sha256,
        size_share=graph.stat().st_size / bundle.graph.stat().st_size,
        time_share=_time_share(bundle.graph, graph, windows),
        appliances=tuple(
            QuantisedAppliance(
                appliance=name,
                mae=or_none(mae(one.sums)), mae_int8=or_none(mae(other.sums)),
                f1=or_none(f1(one.sums)), f1_int8=or_none(f1(other.sums)),
                difference=float(np.nanmean(np.abs(one.power - other.power))),
                flipped=float(np.mean((one.on != other.on)[np.isfinite(one.on)])),
            )
            for name, one, other in zip(card.appliance_names, plain, quantised, strict=True)
        ),
    )  # fmt: skip


def _outcomes(disaggregator: Disaggregator, validation: Sequence[TrainingSeries]) -> list[_Outcome]:
    answers = [disaggregator.disaggregate(one.mains, start=one.start) for one in validation]
    return [_outcome(row, validation, answers) for row in range(len(disaggregator.card.appliances))]


def _outcome(row: int, validation: Sequence[TrainingSeries], answers: Sequence[Disaggregation]) -> _Outcome:
    sums = Totals()
    for one, answer in zip(validation, answers, strict=True):
        true = Trace(power=one.known_power()[row], on=one.on[row])
        sums += totals(true, Trace(power=answer.power[row], on=answer.on[row]))
    said = [np.where(np.isfinite(each.power[row]), each.on[row], np.nan) for each in answers]
    power = np.concatenate([each.power[row] for each in answers])
    return _Outcome(sums=sums, power=power, on=np.concatenate(said))


def _time_share(plain: Path, quantised: Path, windows: FloatArray) -> float:
    """The time of one thread with the quantised graph as a share of that with the other, in turns."""
    num = max(1, _SPEED_SAMPLES // windows.shape[1])
    mains = np.ascontiguousarray(np.resize(windows, (num, windows.shape[1])))
    runtimes = [OnnxRuntime(plain, threads=1), OnnxRuntime(quantised, threads=1)]
    best = [math.inf, math.inf]
    for _ in range(_SPEED_TURNS):
        for number, runtime in enumerate(runtimes):
            began = time.thread_time()  # what else runs on the machine does not count
            runtime(mains)
            best[number] = min(best[number], time.thread_time() - began)
    return best[1] / best[0]


@contextmanager
def _silence() -> Iterator[None]:
    """Without the quantiser's advice, which it gives on the root logger."""
    root: Any = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
