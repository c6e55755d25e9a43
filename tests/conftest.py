"""What many tests need: small processed houses, and a bundle whose graph is plain arithmetic."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from energy_dissagregation_mlops import bundle as bundles
from energy_dissagregation_mlops.bundle import ApplianceCard, Bundle, Card, HouseCard, InputStatistics, Role
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Manifest, MeterRecord, Store, StoredHouse
from energy_dissagregation_mlops.vocabulary import Quantity

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

# How long one example takes says more about who else is on the machine than about the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Before torch is imported: networks as small as those here are quicker on one core than on several, whose threads
# wait for each other without a rest.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts the tests in its background has them ignore Ctrl-C, which some of them are about.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MARGIN, CORE = 2, 16
NAMES = ("kettle", "fridge")


@pytest.fixture
def real_homes() -> Path:
    """The folder of real homes beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the real homes are not beside this checkout")
    return SHARED


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "processed")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


HouseMaker = Callable[..., StoredHouse]


@pytest.fixture
def make_house(store: Store) -> HouseMaker:
    """Store a house of ``days`` minutes-long days: a 100 W fridge half of the time, three kettles a day."""

    def make(
        dataset: str = "made", house: int = 1, *, days: int = 3, sha256: str | None = None
    ) -> StoredHouse:
        length = days * 1440
        minute = np.arange(length)
        fridge = np.where((minute // 20 + house) % 2 == 0, 100, 0).astype(np.float32)
        kettle = np.where(minute % 480 < 3, 2500, 0).astype(np.float32)
        mains = fridge + kettle + 110
        records = tuple(
            MeterRecord(
                name=name, channels=(name,), quantity=Quantity.ACTIVE, source_period=6,
                sha256=(sha256 or f"{dataset}{house}{name}",), counts={"readings": 1.0},
            )
            for name in ("mains", *NAMES)
        )  # fmt: skip
        manifest = Manifest(
            dataset=dataset, house=house, start=1_700_006_400.0, sample_period=60, length=length, appliances=NAMES,
            meters=records, title="Made", licence="CC0-1.0", attribution="", time_zone="UTC", source_file="made",
            source_bytes=1, source_modified_ns=1, configuration={"max_gap": 180.0},
        )  # fmt: skip
        on = np.stack([kettle > 2000, fridge > 50])
        return store.write(manifest, np.stack([mains, kettle, fridge]), on)

    return make


@pytest.fixture
def make_lively(make_house: HouseMaker, store: Store) -> HouseMaker:
    """Store a house whose mains is like no other's at any hour; those of one number are parts of one."""

    def make(dataset: str, house: int, *, start: float | None = None, **changes: Any) -> StoredHouse:
        made = make_house(dataset, house, **changes)
        manifest = made.manifest.model_copy(update={"start": start or made.manifest.start})
        base = np.random.default_rng(house).uniform(80, 300, len(made.mains))
        mains = (made.power.sum(axis=0) + base).astype(np.float32)
        return store.write(manifest, np.concatenate([mains[None], made.power]), np.asarray(made.on))

    return make


def card(name: str = "plain", version: str = "1", *, seen: tuple[HouseCard, ...] = ()) -> Card:
    """The card of a bundle that calls the kettle on above 2 kW."""
    known = [
        ApplianceCard(
            name=each, on_power_threshold=threshold, max_power=limit, min_on_duration=0, min_off_duration=0,
            power_scale=1, mean_power=mean,
        )
        for each, threshold, limit, mean in (("kettle", 2000, 3100, 15), ("fridge", 50, 300, 50))
    ]  # fmt: skip
    return Card(
        name=name, version=version, network="plain", network_options={}, num_weights=0,
        window_length=CORE + 2 * MARGIN, margin=MARGIN, sample_period=60, max_gap=180, mains_scale=1,
        appliances=tuple(known), houses=seen, attributions=(),
        input_statistics=InputStatistics(quantiles={}, histogram_edges=(), histogram=(), missing_share=0),
        training={}, git_commit=None, package_version="0", seed=0, created="2026-01-01T00:00:00Z",
    )  # fmt: skip


def house_card(reference: str, mains_sha256: str = "") -> HouseCard:
    return HouseCard(
        reference=reference,
        role=Role.TRAIN,
        manifest_sha256="",
        mains_sha256=(mains_sha256,),
        start=0,
        stop=1,
    )


def plain_graph(path: Path) -> None:
    """A graph: kettle 2500 W where the mains is above 2 kW, fridge 100 W where it is above 120 W."""
    constants = {
        "limits": np.array([[[2000.0], [120.0]]], np.float32),
        "watts": np.array([[[2500.0], [100.0]]], np.float32),
        "starts": np.array([MARGIN]),
        "ends": np.array([MARGIN + CORE]),
        "axes": np.array([1]),
        "one": np.array([1]),
    }
    nodes = [
        helper.make_node("Slice", ["mains", "starts", "ends", "axes"], ["core"]),
        helper.make_node("Unsqueeze", ["core", "one"], ["wide"]),
        helper.make_node("Greater", ["wide", "limits"], ["above"]),
        helper.make_node("Cast", ["above"], ["on_probability"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["on_probability", "watts"], ["power"]),
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2, CORE])
        for name in ("power", "on_probability")
    ]
    graph = helper.make_graph(
        nodes,
        "plain",
        [helper.make_tensor_value_info("mains", TensorProto.FLOAT, ["n", CORE + 2 * MARGIN])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)


@pytest.fixture(scope="session")
def graphs() -> dict[object, bytes]:
    """The graphs of networks that were exported, by what the networks are."""
    return {}


@pytest.fixture
def exported_once(graphs: dict[object, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph of the very network that was exported before, by its weights, is not made again: it takes seconds."""
    from energy_dissagregation_mlops import export  # it loads torch

    to_onnx = export.to_onnx

    def to_onnx_once(network: Any, path: Path) -> None:
        weights = [(name, tensor.numpy().tobytes()) for name, tensor in network.state_dict().items()]
        network_itself = network.name, network.appliances, repr(network.options), tuple(weights)
        if network_itself not in graphs:
            to_onnx(network, path)
            graphs[network_itself] = path.read_bytes()
        path.write_bytes(graphs[network_itself])

    monkeypatch.setattr(export, "to_onnx", to_onnx_once)


BundleMaker = Callable[..., Bundle]


@pytest.fixture
def calibrated(make_house: HouseMaker, make_bundle: BundleMaker, store: Store, registry: Registry) -> Bundle:
    """A second version of the plain bundle, with intervals of two made-up homes."""
    from energy_dissagregation_mlops.calibration_run import Homes, calibrate  # it loads torch

    for house in (1, 2):
        make_house("calibration", house, days=20)
    bundle = registry.resolve("plain@1") if registry.versions("plain") else make_bundle()
    return calibrate(store, registry, bundle, Homes(named=("calibration:1", "calibration:2")))


@pytest.fixture
def make_bundle(registry: Registry) -> BundleMaker:
    """Add a bundle with the plain graph to the registry; ``seen`` are references and hashes of mains."""

    def make(name: str = "plain", *, seen: tuple[tuple[str, str], ...] = ()) -> Bundle:
        houses = tuple(house_card(reference, sha256) for reference, sha256 in seen)

        def fill(folder: Path, version: str) -> None:
            (folder / bundles.WEIGHTS).write_bytes(b"weights")
            plain_graph(folder / bundles.GRAPH)
            (folder / bundles.METRICS).write_text("{}\n")
            bundles.write_card(folder, card(name, version, seen=houses))

        return registry.add(name, fill)

    return make
