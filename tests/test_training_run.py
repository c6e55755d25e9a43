"""Which houses are trained on, what a card says of them, and what is never opened."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from energy_dissagregation_mlops import networks
from energy_dissagregation_mlops.bundle import WEIGHTS, Bundle, Role
from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.errors import (
    ConfigError,
    EdmlopsError,
    LeakError,
    StoreError,
    UnknownNameError,
)
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.tracking import recording
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training_run.prepared import PreparedRun, chosen_houses
from energy_dissagregation_mlops.training_run.running import alone, train

HouseMaker = Callable[..., StoredHouse]

TINY = {"window_length": 128, "width": 4, "skip_width": 4, "expansion": 1, "kernel": 3, "dilations": [1]}
RUN = RunConfig(
    name="run", description="for a test", network_options=TINY,
    training=TrainingConfig(epochs=1, steps_per_epoch=1, batch_size=2, seed=3),
)  # fmt: skip


@pytest.mark.parametrize(
    ("names", "config", "trained", "tested"),
    [
        (["a:1"], {}, ["a:1"], []),
        (["a:1", "a:2", "b:1"], {}, ["a:1", "a:2"], ["b:1"]),
        (["ukdale:1", "ukdale:2", "ukdale:3"], {}, ["ukdale:1", "ukdale:3"], ["ukdale:2"]),
        (["a:1", "a:2"], {"test_houses": ()}, ["a:1", "a:2"], []),
        (["a:1", "a:2", "a:3"], {"test_houses": ("a:1",)}, ["a:2", "a:3"], ["a:1"]),
        (["a:1", "a:2", "a:3"], {"houses": ("a:3",)}, ["a:3"], []),
        (["a:1", "a:2"], {"houses": ("a:1",), "test_houses": ("a:2",)}, ["a:1"], ["a:2"]),
        (["a:1", "a:2", "b:1"], {"houses": ("a",), "test_houses": ("a:2",)}, ["a:1"], ["a:2"]),
        (["a:1", "a:2"], {"houses": ("a:2", "a:1", "a:2"), "test_houses": ()}, ["a:2", "a:1"], []),
        (["a:1", "a:2", "b:1"], {"houses": ("b:1", "a"), "test_houses": ()}, ["b:1", "a:1", "a:2"], []),
    ],
)
def test_one_house_stays_unseen_where_there_are_several(names, config, trained, tested, make_house) -> None:
    pairs = [name.split(":") for name in names]
    manifests = [make_house(dataset, int(house), days=1).manifest for dataset, house in pairs]
    assert chosen_houses(manifests, dataclasses.replace(RUN, **config)) == (trained, tested)


def test_a_house_in_both_parts_is_a_leak_and_one_that_is_not_there_is_said(make_house: HouseMaker) -> None:
    manifests = [make_house("a", house, days=1).manifest for house in (1, 2)]
    with pytest.raises(LeakError, match="a:1 is named to train on and to test on"):
        chosen_houses(manifests, dataclasses.replace(RUN, houses=("a:1", "a:2"), test_houses=("a:1",)))
    with pytest.raises(UnknownNameError, match="'a:3': there is a:1, a:2"):
        chosen_houses(manifests, dataclasses.replace(RUN, test_houses=("a:3",)))


def test_an_empty_store_and_another_period_are_said(
    store: Store, registry: Registry, make_house: HouseMaker
) -> None:
    with pytest.raises(StoreError, match=r"holds no house at 60 s \(it holds nothing\)"):
        train(PreparedRun.of(store, registry, RUN))
    make_house(days=1)
    with pytest.raises(StoreError, match=r"no house at 6 s \(it holds 60 s\)"):
        train(PreparedRun.of(store, registry, dataclasses.replace(RUN, sample_period=6)))


def test_an_appliance_that_no_house_meters_is_said(
    store: Store, registry: Registry, make_house: HouseMaker
) -> None:
    make_house(days=1)
    with pytest.raises(ConfigError, match="used and metered microwave"):
        train(PreparedRun.of(store, registry, dataclasses.replace(RUN, appliances=("kettle", "microwave"))))


def test_a_bundle_holds_what_it_was_trained_on_and_no_trace_of_the_rest(
    store: Store, registry: Registry, make_house: HouseMaker
) -> None:
    seen = make_house("made", 1)
    unseen = make_house("made", 2)
    for name in ("power.npy", "on.npy"):  # nobody can have read it
        (unseen.folder / name).write_bytes(b"")
    told = []
    bundle = train(PreparedRun.of(store, registry, RUN), report=told.append)
    assert isinstance(bundle, Bundle)
    card = bundle.card
    assert (card.reference, card.description, card.seed, card.sample_period) == ("run@1", "for a test", 3, 60)
    assert card.appliance_names == ("kettle", "fridge")
    assert [(house.reference, house.role) for house in card.houses] == [("made:1", Role.BOTH)]
    assert card.houses[0].manifest_sha256 == seen.manifest_sha256()
    assert [each.title for each in card.attributions] == ["Made"]
    kettle, fridge = card.appliances
    assert kettle.mean_power == pytest.approx(float(seen.power[0].mean()))
    assert (kettle.power_scale, fridge.power_scale) == pytest.approx((2500, 100))
    statistics = card.input_statistics
    assert sum(statistics.histogram) == pytest.approx(1)
    assert statistics.quantiles["0.5"] == np.median(seen.mains) and statistics.missing_share == 0
    assert told[-1].step == 1
    weights = torch.load(bundle.folder / WEIGHTS, weights_only=True)
    network = networks.build(card.network, card.appliance_names, card.network_options)
    assert sum(weights[name].numel() for name, _ in network.named_parameters()) == card.num_weights
    assert weights.keys() == network.state_dict().keys()
    assert (card.margin, card.alignment) == (network.margin, network.alignment)
    assert not list(registry.root.rglob("checkpoint*"))


def test_a_registry_that_can_not_be_written_is_refused_before_anything_is_trained(
    store: Store, make_house: HouseMaker
) -> None:
    make_house()
    run = PreparedRun.of(store, Registry(Path("/sys")), RUN)
    with pytest.raises(EdmlopsError, match="no permission for /sys"):
        train(run, report=lambda _: pytest.fail("it trained"))


def test_a_second_training_of_a_name_is_refused_and_leaves_the_checkpoint(
    store: Store, registry: Registry, make_house: HouseMaker
) -> None:
    make_house()
    with alone(registry, "run"):
        checkpoint = registry.root / "run" / "checkpoint.pt"
        checkpoint.write_text("of the first")
        refused = pytest.raises(
            ConfigError, match=r"run is being trained by process \d+ on .* another --name"
        )
        with refused:
            train(
                PreparedRun.of(store, registry, RUN), resume=True, report=lambda _: pytest.fail("it trained")
            )
        with refused:
            recording.train(store, registry, RUN, resume=True, report=lambda _: pytest.fail("it trained"))
    assert checkpoint.read_text() == "of the first"
    assert not (registry.root / ".runs").exists()  # nor is it on record
    with alone(registry, "run"), alone(registry, "other"):
        pass


def test_a_home_trained_on_can_not_choose_the_weights_under_another_name(
    store: Store, registry: Registry, make_house: HouseMaker, make_lively: HouseMaker
) -> None:
    make_lively("made", 1)
    make_lively("excerpt", 1, days=1)
    make_lively("made", 2, sha256="readings")
    make_house("copy", 1, sha256="readings")

    def prepared(*validated: str) -> PreparedRun:
        training = dataclasses.replace(RUN.training, validation_houses=validated)
        houses = ("made:1", "made:2", *validated)
        return PreparedRun.of(
            store, registry, dataclasses.replace(RUN, houses=houses, test_houses=(), training=training)
        )

    with pytest.raises(LeakError, match="excerpt:1 is to choose the weights, and is trained on as made:1"):
        prepared("excerpt:1")
    with pytest.raises(LeakError, match="copy:1 is to choose the weights, and is trained on as made:2"):
        prepared("copy:1")
    prepared("made:2")


def test_truth_of_other_thresholds_than_the_card_would_say_is_refused(
    store: Store, registry: Registry, make_house: HouseMaker
) -> None:
    house = make_house()
    rules = "kettle 1500 W 3100 W 12 s 0 s; fridge 50 W 300 W 60 s 12 s"
    other = house.manifest.model_copy(update={"configuration": {"max_gap": 180.0, "appliances": rules}})
    store.write(other, np.concatenate([house.mains[None], house.power]), np.asarray(house.on))
    with pytest.raises(
        StoreError, match="made:1 was processed with another rule for kettle than 'kettle 2000 W"
    ):
        PreparedRun.of(store, registry, RUN)
    PreparedRun.of(store, registry, dataclasses.replace(RUN, appliances=("fridge",)))


def test_an_interrupted_run_that_is_begun_anew_is_kept_aside(
    store: Store, registry: Registry, make_house: HouseMaker, caplog: pytest.LogCaptureFixture
) -> None:
    make_house()

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    caplog.set_level("INFO")
    run = PreparedRun.of(store, registry, RUN)
    run.checkpoint.parent.mkdir(parents=True)
    run.checkpoint.write_text("of hours")
    with pytest.raises(KeyboardInterrupt):
        train(run, report=interrupted)
    # Which command goes on with it is not known here: it may be a benchmark's training.
    assert "goes on with this run" not in caplog.text
    kept = run.checkpoint.with_name("checkpoint.before.pt")
    assert kept.read_text() == "of hours" and not run.checkpoint.exists()
    assert str(kept) in caplog.text and "--resume" in caplog.text
    run.checkpoint.write_text("damaged")
    with pytest.raises(ConfigError, match="expected a checkpoint"):
        train(run, resume=True)
    assert run.checkpoint.read_text() == "damaged" and kept.read_text() == "of hours"
    with pytest.raises(KeyboardInterrupt):
        train(run, report=interrupted)
    assert kept.read_text() == "of hours"
    assert run.checkpoint.with_name("checkpoint.before2.pt").read_text() == "damaged"


def test_a_share_of_a_data_set_that_there_is_not_is_warned_of(
    store: Store, registry: Registry, make_house: HouseMaker, caplog: pytest.LogCaptureFixture
) -> None:
    make_house()
    shared = dataclasses.replace(
        RUN, training=dataclasses.replace(RUN.training, shares={"made": 2, "mode": 3})
    )
    train(PreparedRun.of(store, registry, shared))
    assert "shares of mode take no effect: there is made" in caplog.text


def test_processes_that_train_together_do_not_refuse_each_other(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with alone(registry, "run"):
        monkeypatch.setenv("RANK", "1")
        with alone(registry, "run"):
            pass
