"""A bundle in 8-bit integers: what becomes of the graph, what is said of its loss, and what is refused."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from energy_dissagregation_mlops import as_trained, quantisation
from energy_dissagregation_mlops.bundle import Bundle, Quantisation, QuantisedAppliance
from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.errors import ConfigError, ParityError, StoreError
from energy_dissagregation_mlops.export import probe_windows
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.runtimes import OnnxRuntime
from energy_dissagregation_mlops.quantisation import check, inner_nodes, quantise
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training_run.prepared import PreparedRun
from energy_dissagregation_mlops.training_run.running import train

HouseMaker = Callable[..., StoredHouse]

RUN = RunConfig(
    name="run", description="For a test.", test_houses=(),
    network_options={"window_length": 256, "width": 32, "skip_width": 32, "dilations": [1]},
    training=TrainingConfig(epochs=1, steps_per_epoch=60, batch_size=8, lr=0.004, averaging=0.9),
)  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the trained bundle is kept from one test to the next."""
    return tmp_path_factory.mktemp("kept") / "models"


@pytest.fixture
def bundle(store: Store, registry: Registry, make_house: HouseMaker, kept: Path) -> Bundle:
    make_house(house=1, days=4)
    if not kept.exists():
        train(PreparedRun.of(store, registry, RUN))
        shutil.copytree(registry.root, kept)
    shutil.copytree(kept, registry.root, dirs_exist_ok=True)
    return registry.resolve("run@1")


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that was hardly trained is close to its thresholds everywhere."""
    monkeypatch.setattr(quantisation, "MAX_FLIPPED", 1.0)
    monkeypatch.setattr(quantisation, "MAX_F1_LOSS", 1.0)
    monkeypatch.setattr(quantisation, "MAX_MAE_LOSS", 1000.0)


def test_the_quantised_bundle_is_a_bundle_whose_card_says_what_it_lost(
    store: Store, registry: Registry, bundle: Bundle, lenient: None
) -> None:
    made = quantise(store, registry, bundle)
    assert made.card.reference == "run-int8@1"
    assert Bundle.open(made.folder).sha256 == registry.resolve("run-int8@1").sha256 == made.sha256
    found = made.card.quantisation
    assert found is not None and (found.source, found.source_sha256) == ("run@1", bundle.sha256)
    assert found.size_share == made.graph.stat().st_size / bundle.graph.stat().st_size < 1
    assert found.time_share > 0

    kinds = [node.op_type for node in onnx.load(made.graph).graph.node]
    assert "QuantizeLinear" in kinds and "DequantizeLinear" in kinds

    # The figures are those of the path that users are served, on what the weights were chosen on.
    validation = as_trained.split(as_trained.houses_of(store, bundle.card), bundle.card).validation
    for opened, kept in ((bundle, "mae"), (made, "mae_int8")):
        disaggregator = Disaggregator.load(opened)
        answers = [disaggregator.disaggregate(one.mains, start=one.start) for one in validation]
        for row, each in enumerate(found.appliances):
            errors = [abs(a.power[row] - one.power[row]) for a, one in zip(answers, validation, strict=True)]
            assert getattr(each, kept) == pytest.approx(np.nanmean(np.concatenate(errors)), rel=1e-4)


def test_the_quantised_graph_takes_watts_and_gaps_and_gives_watts(
    store: Store, registry: Registry, bundle: Bundle, lenient: None
) -> None:
    made = quantise(store, registry, bundle)
    mains = probe_windows(bundle.card.window_length)
    answer = OnnxRuntime(made.graph)(mains)
    assert np.isfinite(answer.power).all() and (answer.power >= 0).all()
    assert ((answer.on_probability >= 0) & (answer.on_probability <= 1)).all()
    # One window's answer does not depend on the others'.
    alone = OnnxRuntime(made.graph)(mains[3:4])
    assert np.array_equal(alone.on_probability[0], answer.on_probability[3])


def test_what_loses_too_much_is_refused_and_leaves_nothing(
    store: Store, registry: Registry, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantisation, "MAX_MAE_LOSS", -1000.0)
    monkeypatch.setattr(quantisation, "MAX_MAE_LOSS_SHARE", -1000.0)
    monkeypatch.setattr(quantisation, "_MOST_KEPT", 0)
    with pytest.raises(ParityError, match="in 8 bits kettle loses"):
        quantise(store, registry, bundle)
    assert registry.names() == ["run"]


def test_a_house_that_is_not_as_it_was_is_refused(
    store: Store, registry: Registry, bundle: Bundle, make_house: HouseMaker
) -> None:
    make_house(house=1, days=3)
    with pytest.raises(StoreError, match="is not the house that run@1 was trained on"):
        quantise(store, registry, bundle)


def loss(**changes: float) -> Quantisation:
    plain = QuantisedAppliance(
        appliance="kettle", mae=10.0, mae_int8=10.2, f1=0.9, f1_int8=0.895, difference=0.3, flipped=0.001
    )
    return Quantisation(
        source="run@1", source_sha256="", size_share=0.4, time_share=0.9,
        appliances=(plain, plain.model_copy(update=changes)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes", [{}, {"mae_int8": 10.9}, {"mae": 40.0, "mae_int8": 41.9}, {"f1_int8": 0.95}]
)
def test_a_small_loss_is_taken(changes: dict[str, float]) -> None:
    check(loss(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"mae_int8": 11.1},
        {"mae_int8": float("nan")},
        {"f1_int8": 0.87},
        {"flipped": 0.051},
        {"flipped": float("nan")},
    ],
)
def test_a_large_one_is_not_nor_what_is_no_number(changes: dict[str, float]) -> None:
    with pytest.raises(ParityError, match="serve the bundle as it is"):
        check(loss(**changes))


def test_the_convolution_at_the_watts_and_the_heads_stay_as_they_are(bundle: Bundle) -> None:
    model = onnx.load(bundle.graph)
    weights = {
        node.name: node.input[1].removeprefix("network.")
        for node in model.graph.node
        if node.op_type == "Conv"
    }
    inner = inner_nodes(model)
    kept = {weight for name, weight in weights.items() if name not in inner}
    assert {"gate.weight", "level.weight"} <= kept and len(kept) == 3
    assert any(name not in weights for name in inner)  # the sums between them


def test_a_graph_without_inner_convolutions_is_refused(
    store: Store, registry: Registry, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantisation, "inner_nodes", lambda model: [])
    with pytest.raises(ConfigError, match="only convolutional networks are quantised"):
        quantise(store, registry, bundle)


def test_nothing_is_quantised_twice(store: Store, registry: Registry, bundle: Bundle) -> None:
    again = dataclasses.replace(bundle, card=bundle.card.model_copy(update={"quantisation": loss()}))
    with pytest.raises(ConfigError, match="quantised already: name run@1"):
        quantise(store, registry, again)
