"""Whom a run begins from and learns from: what is taken over, and what is a leak."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from energy_dissagregation_mlops.bundle import Bundle, Role, with_card
from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.errors import (
    BundleError,
    ConfigError,
    EdmlopsError,
    LeakError,
    UnknownNameError,
)
from energy_dissagregation_mlops.export import restored
from energy_dissagregation_mlops.networks import build
from energy_dissagregation_mlops.predecessors import Predecessors
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training_run.prepared import PreparedRun
from energy_dissagregation_mlops.training_run.running import train

HouseMaker = Callable[..., StoredHouse]

TINY = {"window_length": 128, "width": 4, "skip_width": 4, "expansion": 1, "kernel": 3, "dilations": [1]}
SHORT = TrainingConfig(epochs=1, steps_per_epoch=1, batch_size=2)
RUN = RunConfig(name="run", network_options=TINY, training=SHORT, houses=("made:1",), test_houses=())

pytestmark = pytest.mark.usefixtures("exported_once")


@pytest.fixture
def trained(store: Store, registry: Registry, make_house: HouseMaker) -> Bundle:
    """A bundle that was trained on made:1, and validated on blocks of it."""
    make_house("made", 1)
    bundle = train(PreparedRun.of(store, registry, RUN))
    assert bundle is not None
    return bundle


def of(registry: Registry, store: Store, config: RunConfig, *houses: str) -> Predecessors:
    return Predecessors.of(registry, config, [store.open(each, 60).manifest for each in houses])


@pytest.mark.slow
def test_a_run_says_in_its_card_whom_it_began_from_and_learned_from(
    trained: Bundle, store: Store, registry: Registry
) -> None:
    barely = dataclasses.replace(SHORT, lr=1e-9, averaging=0)
    pupil = dataclasses.replace(RUN, name="pupil", start="run@1", teachers=("run@1",), training=barely)
    bundle = train(PreparedRun.of(store, registry, pupil))
    assert bundle is not None
    assert (bundle.card.start, bundle.card.teachers) == ("run@1", ("run@1",))
    assert (trained.card.start, trained.card.teachers) == (None, ())
    begun, one = restored(trained), restored(bundle)
    for before, after in zip(begun.parameters(), one.parameters(), strict=True):
        torch.testing.assert_close(before, after, atol=1e-6, rtol=0)


def test_weights_are_taken_over_and_caution_is_not(trained: Bundle, store: Store, registry: Registry) -> None:
    network = build("gated_unet", trained.card.appliance_names, TINY)
    fresh = network.sureness.clone()
    network.settle_gates(torch.ones(2), fresh)
    of(registry, store, dataclasses.replace(RUN, start="run@1"), "made:1").begin(network)
    weights = zip(network.parameters(), restored(trained).parameters(), strict=True)
    assert all(torch.equal(own, other) for own, other in weights)
    assert torch.equal(network.gate_shift, torch.ones(2)) and torch.equal(network.sureness, fresh)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"start": "run"}, ConfigError, "with its version .* found 'run': name it as run@1"),
        ({"teachers": ("run@2",)}, UnknownNameError, "run"),
        ({"start": "other@1"}, EdmlopsError, "other"),
    ],
)
def test_a_predecessor_that_can_not_be_had_is_said(
    trained: Bundle, store: Store, registry: Registry, changes: dict[str, object],
    error: type[Exception], message: str,
) -> None:  # fmt: skip
    with pytest.raises(error, match=message):
        of(registry, store, dataclasses.replace(RUN, **changes), "made:1")


@pytest.mark.parametrize("role", ["start", "teachers"])
def test_who_has_seen_a_house_that_the_run_keeps_unseen_is_a_leak(
    trained: Bundle, store: Store, registry: Registry, make_house: HouseMaker, role: str
) -> None:
    make_house("made", 2)
    named = {"start": "run@1"} if role == "start" else {"teachers": ("run@1",)}
    config = dataclasses.replace(RUN, houses=("made:2",), test_houses=("made:1",), **named)
    with pytest.raises(LeakError, match="run@1 was trained on made:1, which this run does not train on"):
        of(registry, store, config, "made:2")
    with pytest.raises(LeakError, match="run@1 was trained on made:1"):
        train(PreparedRun.of(store, registry, config))


def test_who_was_trained_on_a_house_that_chooses_the_weights_is_a_leak_and_who_chose_on_it_is_none(
    trained: Bundle, store: Store, registry: Registry, make_house: HouseMaker
) -> None:
    make_house("made", 2)
    by_house = dataclasses.replace(SHORT, validation_houses=("made:1",))
    both = dataclasses.replace(RUN, houses=("made:1", "made:2"), training=by_house, start="run@1")
    with pytest.raises(LeakError, match="run@1 was trained on made:1"):
        of(registry, store, both, "made:1", "made:2")
    chosen = train(PreparedRun.of(store, registry, dataclasses.replace(both, name="chosen", start=None)))
    assert chosen is not None
    assert (
        of(registry, store, dataclasses.replace(both, start="chosen@1"), "made:1", "made:2").start == chosen
    )


def test_who_was_trained_on_a_block_that_chooses_the_weights_is_a_leak(
    trained: Bundle, store: Store, registry: Registry
) -> None:
    card = trained.card
    (house,) = card.houses
    longer = house.model_copy(update={"stop": house.stop + 86_400})
    for changes in (
        {"houses": (house.model_copy(update={"role": Role.TRAIN}),)},
        {"houses": (longer,)},
        {"training": {**card.training, "validation_fraction": 0.1}},
    ):
        with_card(trained, card.model_copy(update=changes))
        with pytest.raises(
            LeakError, match="run@1 was trained on stretches of made:1 that this run validates"
        ):
            of(registry, store, dataclasses.replace(RUN, start="run@1"), "made:1")
        unjudged = dataclasses.replace(SHORT, validation_fraction=0.0)
        of(registry, store, dataclasses.replace(RUN, start="run@1", training=unjudged), "made:1")


@pytest.mark.parametrize("role", ["start", "teachers", "members"])
def test_who_was_trained_at_another_sample_period_is_refused(
    trained: Bundle, store: Store, registry: Registry, role: str
) -> None:
    with_card(trained, trained.card.model_copy(update={"sample_period": 30.0}))
    named = "run@1" if role == "start" else ("run@1", "run@1")
    with pytest.raises(ConfigError, match="run@1 was trained at 30 s, and this run is at 60 s"):
        of(registry, store, dataclasses.replace(RUN, **{role: named}), "made:1")


def test_weights_of_another_shape_and_a_bundle_without_weights_are_said(
    trained: Bundle, store: Store, registry: Registry
) -> None:
    wider = build("gated_unet", trained.card.appliance_names, {**TINY, "width": 8})
    predecessors = of(registry, store, dataclasses.replace(RUN, start="run@1", teachers=("run@1",)), "made:1")
    with pytest.raises(ConfigError, match="run@1 has other weights than this run's network"):
        predecessors.begin(wider)
    trained.weights.unlink()
    with pytest.raises(BundleError, match=r"run@1 has no best\.pt"):
        predecessors.lesson()


@pytest.mark.slow
def test_members_answer_together_without_a_step(trained: Bundle, store: Store, registry: Registry) -> None:
    other = train(
        PreparedRun.of(store, registry, dataclasses.replace(RUN, training=dataclasses.replace(SHORT, seed=1)))
    )
    assert other is not None
    both = dataclasses.replace(RUN, name="both", members=("run@1", "run@2"))
    bundle = train(PreparedRun.of(store, registry, both), report=lambda _: pytest.fail("it trained"))
    assert bundle is not None
    assert (bundle.card.network, bundle.card.members) == ("gated_unets", ("run@1", "run@2"))
    assert bundle.card.num_weights == 2 * trained.card.num_weights
    assert bundle.card.calibration is not None
    network = restored(bundle)
    for member, one in zip(network.members, (trained, other), strict=True):  # type: ignore[arg-type]
        for name, tensor in restored(one).state_dict().items():
            assert torch.equal(member.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": ("run@1",)}, "run@1 is one member alone"),
        ({"members": ("run@1", "run@1")}, "run@1 is named twice"),
        ({"members": ("run@1", "wider@1")}, "run@1, wider@1 are not alike"),
        ({"members": ("run@1", "run@1"), "start": "run@1"}, "a run of members is no training"),
        ({"members": ("run@1", "alike@1"), "appliances": ("kettle",)}, "answer for kettle, fridge, and this run is for kettle"),
    ],
)  # fmt: skip
def test_members_that_do_not_go_together_are_said(
    trained: Bundle, store: Store, registry: Registry, changes: dict[str, object], message: str
) -> None:
    for name, width in (("wider", 8), ("alike", 4)):
        options = {**TINY, "width": width}
        train(PreparedRun.of(store, registry, dataclasses.replace(RUN, name=name, network_options=options)))
    with pytest.raises(ConfigError, match=message):
        train(PreparedRun.of(store, registry, dataclasses.replace(RUN, name="both", **changes)))


def test_a_member_that_has_seen_a_house_that_the_run_keeps_unseen_is_a_leak(
    trained: Bundle, store: Store, registry: Registry, make_house: HouseMaker
) -> None:
    make_house("made", 2)
    config = dataclasses.replace(RUN, houses=("made:2",), test_houses=("made:1",), members=("run@1", "run@1"))
    with pytest.raises(LeakError, match="run@1 was trained on made:1"):
        train(PreparedRun.of(store, registry, config))
