"""Every guard bites: a canary for each way that a test house can leak."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from energy_dissagregation_mlops.appliances import select
from energy_dissagregation_mlops.arena import guards
from energy_dissagregation_mlops.arena.protocol import Protocol, Split
from energy_dissagregation_mlops.bundle import Bundle, HouseCard, Role
from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.errors import ConfigError, LeakError, StoreError
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training_run.prepared import PreparedRun
from energy_dissagregation_mlops.training_run.running import train

HomeMaker = Callable[..., StoredHouse]
ProtocolMaker = Callable[..., Protocol]

KNOWN = select(("kettle", "fridge"))
TINY = {"window_length": 128, "width": 4, "skip_width": 4, "expansion": 1, "kernel": 3, "dilations": [1]}


def split(train: list[str], test: list[str], validation: list[str] | None = None) -> Split:
    roles = {"train": train, "test": test, "validation": validation or []}
    return Split.model_validate({"name": "s", **roles})


def by_reference(*houses: StoredHouse) -> Mapping[str, StoredHouse]:
    return {house.manifest.reference: house for house in houses}


# --- before training ---------------------------------------------------------------------------------


def test_houses_that_share_nothing_pass(make_home: HomeMaker) -> None:
    houses = by_reference(*(make_home("made", number) for number in (1, 2, 3)))
    guards.check_split(split(["made:1"], ["made:2"], ["made:3"]), houses)


@pytest.mark.parametrize(
    ("train", "test", "validation", "message"),
    [
        (["made:1", "made:2"], ["made:2"], [], "made:2 is named for train and for test"),
        (["made:1"], ["made:2"], ["made:2"], "made:2 is named for validation and for test"),
        (["made:1"], ["made:2"], ["made:1"], "made:1 is named for train and for validation"),
    ],
)
def test_a_house_in_two_parts_is_a_leak(
    make_home: HomeMaker, train: list[str], test: list[str], validation: list[str], message: str
) -> None:
    houses = by_reference(make_home("made", 1), make_home("made", 2))
    with pytest.raises(LeakError, match=message):
        guards.check_split(split(train, test, validation), houses)


@pytest.mark.parametrize("role", ["train", "validation"])
def test_the_same_readings_under_another_name_are_a_leak(make_home: HomeMaker, role: str) -> None:
    first, second, third = make_home("made", 1), make_home("made", 2), make_home("made", 3)
    seen = {"train": first, "validation": third}[role]
    meters = (second.manifest.meters[0].model_copy(update={"sha256": seen.manifest.meters[0].sha256}),)
    renamed = dataclasses.replace(second, manifest=second.manifest.model_copy(update={"meters": meters}))
    with pytest.raises(LeakError, match="hold the same mains readings: they are one house"):
        guards.check_split(split(["made:1"], ["made:2"], ["made:3"]), by_reference(first, renamed, third))


def test_a_day_of_a_test_house_in_training_is_a_leak(make_home: HomeMaker) -> None:
    tested = make_home("made", 2)
    with_a_day_of_it = make_home("excerpt", 1, days=5, copy_of=make_home("made", 9, days=1))
    guards.check_split(split(["excerpt:1"], ["made:2"]), by_reference(with_a_day_of_it, tested))
    shared = make_home("excerpt", 1, days=5, copy_of=dataclasses.replace(tested, mains=tested.mains[:1440]))
    with pytest.raises(LeakError, match="hold 24 hours of the same mains"):
        guards.check_split(split(["excerpt:1"], ["made:2"]), by_reference(shared, tested))


def test_a_house_that_is_tested_twice_is_refused_under_one_name_or_two(make_home: HomeMaker) -> None:
    whole = make_home("made", 2)
    houses = by_reference(make_home("made", 1), whole, make_home("excerpt", 3, copy_of=whole))
    with pytest.raises(LeakError, match="made:2 and excerpt:3 hold 72 hours of the same mains"):
        guards.check_split(split(["made:1"], ["made:2", "excerpt:3"]), houses)
    with pytest.raises(LeakError, match="made:2 and made:2 hold the same mains readings"):
        guards.check_split(split(["made:1"], ["made:2", "made:2"]), houses)


@pytest.mark.parametrize("shift", [60, 1800, 86_400 + 60])
def test_a_leak_is_found_however_many_samples_its_times_were_moved_by(
    make_home: HomeMaker, shift: float
) -> None:
    tested = make_home("made", 2)
    moved = make_home("excerpt", 1, copy_of=tested, start=tested.manifest.start + shift)
    with pytest.raises(LeakError, match="hours of the same mains"):
        guards.check_split(split(["excerpt:1"], ["made:2"]), by_reference(moved, tested))


@pytest.mark.parametrize("sample_period", [600, 900, 1800, 10_800])
def test_a_leak_is_found_on_a_coarse_grid(make_home: HomeMaker, sample_period: float) -> None:
    tested = make_home("made", 2, sample_period=sample_period)
    moved = make_home(
        "excerpt", 1, copy_of=tested, sample_period=sample_period, start=tested.manifest.start + sample_period
    )
    other = make_home("other", 3, sample_period=sample_period)
    guards.check_split(split(["other:3"], ["made:2"]), by_reference(other, tested))
    with pytest.raises(LeakError, match="hours of the same mains"):
        guards.check_split(split(["excerpt:1"], ["made:2"]), by_reference(moved, tested))


def test_a_frozen_meter_and_an_empty_home_are_no_proof_of_a_leak(make_house: HomeMaker) -> None:
    one, other = make_house("made", 1), make_house("made", 3)  # the same few levels at the same times
    assert np.array_equal(one.mains, other.mains)
    guards.check_split(split(["made:1"], ["made:3"]), by_reference(one, other))


def test_other_thresholds_than_the_protocols_are_refused(
    make_home: HomeMaker, make_protocol: ProtocolMaker
) -> None:
    house = make_home("made", 1)
    guards.check_thresholds(make_protocol(), KNOWN, [house])
    other = make_protocol(appliances={"kettle": 1500, "fridge": 50})
    with pytest.raises(ConfigError, match=r"a kettle that is on from 1500 W, appliances.yaml says 2000 W"):
        guards.check_thresholds(other, KNOWN, [house])


def test_truth_measured_with_other_thresholds_is_refused(
    make_home: HomeMaker, make_protocol: ProtocolMaker
) -> None:
    rules = "kettle 1500 W 3100 W 12 s 0 s; fridge 50 W 300 W 60 s 12 s"
    house = make_home("made", 1, configuration={"max_gap": 180.0, "appliances": rules})
    with pytest.raises(StoreError, match="made:1 was processed with another rule for kettle"):
        guards.check_thresholds(make_protocol(), KNOWN, [house])


def stretch(first: int, length: int, *, name: str = "made:1") -> TrainingSeries:
    nothing = np.zeros(length, np.float32)
    return TrainingSeries(
        name=name, start=60.0 * first, sample_period=60.0, mains=nothing, power=nothing[None],
        on=np.zeros((1, length), np.bool_), metered=np.ones(1, np.bool_),
    )  # fmt: skip


@pytest.mark.parametrize("first", [80, 95, 100, 109])
def test_a_window_that_sees_over_a_split_is_a_leak(first: int) -> None:
    with pytest.raises(LeakError, match="expected 10 at least, which a window sees"):
        guards.check_stretches([stretch(0, 100)], [stretch(first, 50)], reach=10)
    with pytest.raises(LeakError, match="samples apart"):
        guards.check_stretches([stretch(first, 50)], [stretch(0, 100)], reach=10)


def test_stretches_a_reach_apart_or_of_other_houses_pass() -> None:
    guards.check_stretches([stretch(0, 100)], [stretch(110, 50)], reach=10)
    guards.check_stretches([stretch(0, 100)], [stretch(50, 50, name="made:2")], reach=10)


# --- after training ----------------------------------------------------------------------------------


@pytest.fixture
def houses(make_home: HomeMaker) -> Mapping[str, StoredHouse]:
    return by_reference(*(make_home("made", number) for number in (1, 2, 3)))


@pytest.fixture
def bundle(store: Store, registry: Registry, houses: Mapping[str, StoredHouse]) -> Bundle:
    """Trained on made:1, its best weights chosen on made:3."""
    training = TrainingConfig(
        epochs=1, steps_per_epoch=1, batch_size=2, validation_houses=("made:3",)
    )  # fmt: skip
    run = RunConfig(
        name="run", houses=("made:1", "made:3"), test_houses=("made:2",), network_options=TINY,
        appliances=("kettle", "fridge"), training=training,
    )  # fmt: skip
    made = train(PreparedRun.of(store, registry, run))
    assert made is not None
    return made


SPLIT = split(["made:1"], ["made:2"], ["made:3"])


def changed(bundle: Bundle, **facts: object) -> Bundle:
    return dataclasses.replace(bundle, card=bundle.card.model_copy(update=facts))


def test_a_bundle_is_believed_only_as_far_as_it_was_fitted_on_the_split(
    bundle: Bundle, houses: Mapping[str, StoredHouse], make_home: HomeMaker
) -> None:
    def check(found: Bundle, wanted: Split = SPLIT) -> None:
        guards.check_bundle(found, wanted, houses, known=KNOWN)

    check(bundle)
    card = bundle.card

    # A test house was seen, under its name or by its readings alone.
    seen = card.houses[0].model_copy(update={"reference": "made:2"})
    with pytest.raises(LeakError, match="has seen made:2, which split s tests on"):
        check(changed(bundle, houses=(*card.houses, seen)))
    disguised = HouseCard(
        reference="other:1", role=Role.TRAIN, manifest_sha256="",
        mains_sha256=houses["made:2"].manifest.meters[0].sha256, start=0, stop=1,
    )  # fmt: skip
    with pytest.raises(LeakError, match="has seen made:2"):
        check(changed(bundle, houses=(*card.houses, disguised)))

    # The best weights were chosen on another house than the split says.
    with pytest.raises(LeakError, match="its best weights may have been chosen on a test house"):
        check(bundle, split(["made:1", "made:3"], ["made:2"]))
    with pytest.raises(LeakError, match="made:3 for validation"):
        check(bundle, split(["made:3"], ["made:2"], ["made:1"]))

    # Scales of something else than the training house: with the test house in, they would be these.
    both = np.concatenate([houses["made:1"].mains, houses["made:2"].mains])
    with pytest.raises(LeakError, match="the scale of the mains is"):
        check(changed(bundle, mains_scale=float(both.mean())))
    kettle, fridge = card.appliances
    with pytest.raises(LeakError, match="the scale of kettle is 2400 W: the training houses' is 2500 W"):
        check(changed(bundle, appliances=(kettle.model_copy(update={"power_scale": 2400.0}), fridge)))

    # A threshold that somebody fitted.
    with pytest.raises(LeakError, match="on_power_threshold of fridge is 40: expected 50"):
        check(changed(bundle, appliances=(kettle, fridge.model_copy(update={"on_power_threshold": 40.0}))))
