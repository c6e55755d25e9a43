"""Calibrating a bundle that is there: on whom, and what becomes of its card."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from energy_dissagregation_mlops import bundle as bundles
from energy_dissagregation_mlops.bundle import Bundle, Card, Role
from energy_dissagregation_mlops.calibration_run import Homes, calibrate
from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.errors import ConfigError, LeakError, StoreError
from energy_dissagregation_mlops.evaluation import unseen_houses
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.seen import Seen
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training_run.prepared import PreparedRun
from energy_dissagregation_mlops.training_run.running import train

HouseMaker = Callable[..., StoredHouse]
BundleMaker = Callable[..., Bundle]
TINY = {"window_length": 128, "width": 4, "skip_width": 4, "expansion": 1, "kernel": 3, "dilations": [1]}
RUN = RunConfig(
    name="run", network_options=TINY, test_houses=(),
    training=TrainingConfig(epochs=1, steps_per_epoch=1, batch_size=2),
)  # fmt: skip


def facts(card: Card) -> dict[str, object]:
    """What two calibrations of the same homes share: everything but the version."""
    found: dict[str, object] = json.loads(card.model_dump_json())
    return {key: value for key, value in found.items() if key != "version"}


def test_a_new_version_has_the_intervals_and_names_the_homes(
    store: Store, registry: Registry, make_house: HouseMaker, make_bundle: BundleMaker
) -> None:
    make_house("made", 1, days=20)
    make_house("made", 2, days=20)
    bundle = make_bundle()
    made = calibrate(store, registry, bundle, Homes(named=("made:1",)))
    assert made.card.reference == "plain@2"
    assert [(each.reference, each.role) for each in made.card.houses] == [("made:1", Role.CALIBRATION)]
    assert made.card.calibration is not None
    assert made.card.calibration.appliances[0].homes == ("made:1",)
    assert made.graph.read_bytes() == bundle.graph.read_bytes()
    assert Bundle.open(bundle.folder).card.calibration is None
    unseen = unseen_houses(made.card, store, Seen.of(made.card, store))
    assert unseen == ["made:2"]  # a home that was calibrated on is no test home


def test_in_place_the_card_and_the_hashes_change_together(
    store: Store, registry: Registry, make_house: HouseMaker, make_bundle: BundleMaker
) -> None:
    make_house("made", 1, days=20)
    bundle = make_bundle()
    made = calibrate(store, registry, bundle, Homes(named=("made:1",)), in_place=True)
    assert made.folder == bundle.folder and made.sha256 != bundle.sha256
    assert Bundle.open(bundle.folder).card == made.card
    assert registry.versions("plain") == [1]


def test_a_home_trained_on_needs_a_stand_in_that_has_not_seen_it(
    store: Store, registry: Registry, make_house: HouseMaker, make_bundle: BundleMaker
) -> None:
    make_house("made", 1, days=20)
    seen, other = make_bundle(seen=(("made:1", ""),)), make_bundle("other")
    make_house("made", 2, days=20)
    through = calibrate(store, registry, seen, Homes(named=("made:2",), stand_ins={"made:1": other})).card
    assert through.calibration is not None
    assert through.calibration.appliances[0].homes == ("made:1", "made:2")
    assert [each.role for each in through.houses] == [Role.TRAIN, Role.CALIBRATION]
    with pytest.raises(LeakError, match="trained on made:1"):
        calibrate(store, registry, seen, Homes(named=("made:1",)))
    with pytest.raises(LeakError, match="has seen made:1 itself"):
        calibrate(store, registry, other, Homes(stand_ins={"made:1": seen}))
    copied = make_bundle("copied", seen=(("x:1", "made1mains"),))
    with pytest.raises(LeakError, match="trained on made:1"):
        calibrate(store, registry, copied, Homes(named=("made:1",)))


def test_an_excerpt_of_a_home_trained_on_is_refused(
    store: Store, registry: Registry, make_lively: HouseMaker, make_bundle: BundleMaker
) -> None:
    make_lively("made", 1, sha256="whole")
    make_lively("excerpt", 1, days=1, sha256="excerpt")
    seen, other = make_bundle(seen=(("made:1", "whole"),)), make_bundle("other")
    with pytest.raises(LeakError, match="plain@1 was trained on excerpt:1, as made:1"):
        calibrate(store, registry, seen, Homes(named=("excerpt:1",)))
    with pytest.raises(LeakError, match="plain@1 has seen excerpt:1 itself"):
        calibrate(store, registry, other, Homes(stand_ins={"excerpt:1": seen}))


def test_a_home_that_meters_nothing_is_refused_and_one_named_twice_counts_once(
    store: Store, registry: Registry, make_house: HouseMaker, make_bundle: BundleMaker
) -> None:
    house, bundle, other = make_house("made", 1, days=20), make_bundle(), make_bundle("other")
    bare = house.manifest.model_copy(
        update={"dataset": "bare", "appliances": (), "meters": house.manifest.meters[:1]}
    )
    store.write(bare, house.mains[None], np.zeros((0, len(house.mains)), np.bool_))
    for homes in (Homes(named=("bare:1",)), Homes(named=("made:1",), stand_ins={"bare:1": other})):
        with pytest.raises(StoreError, match="bare:1 meters none of kettle, fridge: calibrate on another"):
            calibrate(store, registry, bundle, homes)
    assert registry.versions("plain") == [1]
    once, twice = (
        calibrate(store, registry, bundle, Homes(named=("made:1",) * times)).card for times in (1, 2)
    )
    assert facts(once) == facts(twice)


@pytest.mark.slow
def test_training_calibrates_and_calibrating_again_gives_the_same(
    store: Store, registry: Registry, make_house: HouseMaker
) -> None:
    for house in (1, 2):
        make_house("made", house, days=30)
    by_blocks = train(PreparedRun.of(store, registry, RUN))
    whole = dataclasses.replace(
        RUN, name="whole", training=dataclasses.replace(RUN.training, validation_houses=("made:2",))
    )
    by_house = train(PreparedRun.of(store, registry, whole))
    assert by_blocks is not None and by_house is not None
    for bundle, homes in ((by_blocks, ("made:1", "made:2")), (by_house, ("made:2",))):
        calibration = bundle.card.calibration
        assert calibration is not None
        assert {each.homes for each in calibration.appliances} == {homes}
        again = calibrate(store, registry, bundle, Homes())
        assert facts(again.card) == facts(bundle.card)


def test_without_validation_there_is_nothing_to_calibrate_on(
    store: Store, registry: Registry, make_house: HouseMaker, caplog: pytest.LogCaptureFixture
) -> None:
    make_house("made", 1, days=3)
    run = dataclasses.replace(RUN, training=dataclasses.replace(RUN.training, validation_fraction=0.0))
    bundle = train(PreparedRun.of(store, registry, run))
    assert bundle is not None
    assert bundle.card.calibration is None
    assert "gives no intervals" in caplog.text
    with pytest.raises(ConfigError, match="validated on nothing"):
        calibrate(store, registry, bundle, Homes())


def test_a_house_that_changed_since_training_is_refused(
    store: Store, registry: Registry, make_house: HouseMaker
) -> None:
    make_house("made", 1, days=30)
    bundle = train(PreparedRun.of(store, registry, RUN))
    assert bundle is not None
    make_house("made", 1, days=29)
    with pytest.raises(StoreError, match="is not the house that run@1 was trained on"):
        calibrate(store, registry, bundle, Homes())


def test_a_card_from_before_there_were_intervals_is_read_and_a_wrong_calibration_refused(
    store: Store, registry: Registry, make_house: HouseMaker, make_bundle: BundleMaker
) -> None:
    make_house("made", 1, days=20)
    bundle = make_bundle()
    text = json.loads((bundle.folder / bundles.CARD).read_text())
    del text["calibration"]
    assert Card.model_validate(text) == bundle.card
    made = calibrate(store, registry, bundle, Homes(named=("made:1",)))
    wrong = json.loads((made.folder / bundles.CARD).read_text())
    wrong["calibration"]["appliances"].reverse()
    with pytest.raises(ValueError, match="expected a calibration of"):
        Card.model_validate(wrong)
