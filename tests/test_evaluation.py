"""Evaluation: right by hand, beside its baselines, and blind to no leak."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from energy_dissagregation_mlops.appliances import rule_text
from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.errors import ConfigError, LeakError, StoreError
from energy_dissagregation_mlops.evaluation import Evaluation, check_alike, evaluate, keep, unseen_houses
from energy_dissagregation_mlops.inference import calibrated as calibrated_room
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.seen import Seen
from energy_dissagregation_mlops.store import Store, StoredHouse

HouseMaker = Callable[..., StoredHouse]
BundleMaker = Callable[..., Bundle]


def scored(bundle: Bundle, house: StoredHouse) -> Evaluation:
    store = Store(house.folder.parents[2])
    return evaluate(bundle, house, Seen.of(bundle.card, store))


def test_scores_by_hand_beside_always_off_and_mean_power(
    make_house: HouseMaker, make_bundle: BundleMaker
) -> None:
    # The plain bundle finds every kettle, and takes the fridge to be on wherever the mains is above 120 W.
    house, bundle = make_house(days=2), make_bundle()
    kettle, fridge = scored(bundle, house).appliances
    assert (kettle.appliance, fridge.appliance) == ("kettle", "fridge")
    assert kettle.model.mae == 0
    assert kettle.model.f1 == 1
    assert kettle.model.activation_recall == 1
    assert kettle.always_off.mae == pytest.approx(2500 * 9 / 1440)
    assert kettle.always_off.f1 == 0
    # Mean power says 15 W throughout: it is 15 W off for 1431 minutes and 2485 W for 9 of each day.
    assert kettle.mean_power.mae == pytest.approx((15 * 1431 + 2485 * 9) / 1440)
    # The fridge is said to be on with the kettle, three times 3 minutes a day, and house 1's is off then... at 0:00
    off_with_kettle = sum(
        int(house.power[1][minute] == 0) for minute in range(2880) if house.mains[minute] > 2000
    )
    assert fridge.model.mae == pytest.approx(100 * off_with_kettle / 2880)
    assert fridge.always_off.mae == pytest.approx(50)


def test_a_house_that_training_saw_is_refused(make_house: HouseMaker, make_bundle: BundleMaker) -> None:
    house, bundle = make_house("made", 1), make_bundle(seen=(("made:1", ""),))
    with pytest.raises(LeakError, match="made:1 was seen in training"):
        scored(bundle, house)


def test_the_same_readings_under_another_name_are_refused(
    make_house: HouseMaker, make_bundle: BundleMaker
) -> None:
    house, bundle = make_house("copy", 9, sha256="readings"), make_bundle(seen=(("made:1", "readings"),))
    with pytest.raises(LeakError, match="copy:9"):
        scored(bundle, house)


def test_only_unseen_houses_are_proposed(
    store: Store, make_house: HouseMaker, make_bundle: BundleMaker
) -> None:
    for house in (1, 2):
        make_house("made", house)

    def unseen(*seen: str) -> list[str]:
        card = make_bundle(seen=tuple((each, "") for each in seen)).card
        return unseen_houses(card, store, Seen.of(card, store))

    assert unseen("made:1") == ["made:2"]
    with pytest.raises(StoreError, match="train with --test-house"):
        unseen("made:1", "made:2")


def test_an_excerpt_of_a_house_that_training_saw_is_refused_and_not_proposed(
    store: Store, make_house: HouseMaker, make_bundle: BundleMaker, make_lively: HouseMaker
) -> None:
    make_lively("made", 1, sha256="whole")
    excerpt = make_lively("excerpt", 1, days=1, sha256="excerpt", start=1_700_006_400.0 + 1860)
    other = make_house("other", 2)
    bundle = make_bundle(seen=(("trained:1", "whole"),))
    with pytest.raises(LeakError, match="excerpt:1 was seen in training of plain@1, as made:1"):
        scored(bundle, excerpt)
    assert unseen_houses(bundle.card, store, Seen.of(bundle.card, store)) == ["other:2"]
    assert scored(bundle, other).num_absent == 0


def test_houses_that_could_not_be_compared_are_told(
    make_house: HouseMaker, make_bundle: BundleMaker, caplog: pytest.LogCaptureFixture
) -> None:
    make_house("made", 1, sha256="here")
    bundle = make_bundle(seen=(("made:1", "here"), ("made:3", "elsewhere")))
    assert scored(bundle, make_house("other", 2)).num_absent == 1
    assert "of what plain@1 has seen 1 houses are not in" in caplog.text


def test_coverage_and_false_energy_by_hand(
    make_house: HouseMaker, make_bundle: BundleMaker, calibrated: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrated_room, "PRIOR", {})  # a fridge is thought as rare as the rest
    house = make_house("new", 3, days=4)
    kettle, fridge = scored(calibrated, house).appliances
    # The plain bundle knows the kettle to the watt, so its intervals are points that hold everything.
    assert kettle.coverage is not None
    assert (kettle.coverage.power, kettle.coverage.power_everywhere, kettle.coverage.day) == (1, 1, 1)
    assert (kettle.coverage.num_days, kettle.coverage.whole) == (4, True)
    assert kettle.presence is not None and kettle.lacking is not None and fridge.lacking is not None
    assert kettle.lacking.presence is not None and kettle.lacking.presence < kettle.presence
    # Without its fridge the mains is 110 W, and a fridge is seen with the kettles alone, 9 minutes a day: judged to be none.
    assert fridge.lacking.presence is not None and fridge.lacking.presence < 0.2
    assert fridge.lacking.false_power == 0
    bare = make_bundle("bare")
    _, other = scored(bare, house).appliances
    assert other.coverage is None and other.presence is None and other.lacking is not None
    assert other.lacking.false_power == pytest.approx(100 * 9 / 1440)
    assert other.lacking.false_kwh_per_day == pytest.approx(0.1 * 9 / 60)


def test_scores_are_kept_in_the_card_and_a_home_s_older_ones_give_way(
    make_house: HouseMaker, calibrated: Bundle
) -> None:
    found = [scored(calibrated, make_house("new", number, days=3)) for number in (3, 4)]
    kept = keep(keep(calibrated, found), found[:1])
    assert kept.sha256 != calibrated.sha256 and Bundle.open(kept.folder) == kept
    assert [(each.house, each.appliance) for each in kept.card.unseen] == [
        ("new:4", "kettle"), ("new:4", "fridge"), ("new:3", "kettle"), ("new:3", "fridge"),
    ]  # fmt: skip
    kettle, fridge = kept.card.unseen[2:]
    assert (kettle.mae, kettle.mae_low, kettle.mae_high, kettle.days, kettle.f1) == (0, 0, 0, 3, 1)
    assert kettle.always_off_mae == pytest.approx(2500 * 9 / 1440)
    assert fridge.mae_low <= fridge.mae <= fridge.mae_high
    assert (kettle.by, kettle.power_held, kettle.day_held) == (calibrated.card.reference, 1, 1)


def test_truth_of_other_thresholds_than_the_model_s_is_refused(
    make_house: HouseMaker, make_bundle: BundleMaker, store: Store
) -> None:
    house, bundle = make_house(), make_bundle()
    rules = "; ".join(rule_text(each) for each in bundle.card.appliances)
    for said, refused in ((rules, False), (rules.replace("2000 W", "1500 W"), True)):
        changed = house.manifest.model_copy(update={"configuration": {"max_gap": 180.0, "appliances": said}})
        again = store.write(changed, np.concatenate([house.mains[None], house.power]), np.asarray(house.on))
        if refused:
            with pytest.raises(StoreError, match="made:1 was processed with another rule for kettle"):
                scored(bundle, again)
        else:
            scored(bundle, again)


def test_a_home_that_was_scored_twice_is_kept_once(make_house: HouseMaker, make_bundle: BundleMaker) -> None:
    bundle, house = make_bundle(), make_house("new", 3)
    found = [scored(bundle, house), scored(make_bundle("other"), house)]
    kept = keep(bundle, found).card.unseen
    assert [(each.house, each.by, each.appliance) for each in kept] == [
        ("new:3", "other@1", "kettle"), ("new:3", "other@1", "fridge"),
    ]  # fmt: skip


def test_an_appliance_whose_meter_said_nothing_is_not_kept(
    make_house: HouseMaker, make_bundle: BundleMaker, store: Store
) -> None:
    house, bundle = make_house(), make_bundle()
    silent = np.full_like(house.power[0], np.nan)
    changed = store.write(
        house.manifest, np.stack([house.mains, silent, house.power[1]]), np.asarray(house.on)
    )
    assert [each.appliance for each in keep(bundle, [scored(bundle, changed)]).card.unseen] == ["fridge"]


def test_a_bundle_that_is_calibrated_anew_keeps_no_scores_of_before(
    make_house: HouseMaker, calibrated: Bundle, store: Store, registry: Registry
) -> None:
    from energy_dissagregation_mlops.calibration_run import Homes, calibrate

    keep(calibrated, [scored(calibrated, make_house("new", 3))])
    kept = registry.resolve(calibrated.card.reference)
    assert kept.card.unseen
    again = calibrate(store, registry, kept, Homes(named=("calibration:1",)))
    assert again.card.unseen == ()


def test_a_stand_in_is_trained_alike(make_bundle: BundleMaker) -> None:
    card = make_bundle().card
    check_alike(card, make_bundle("other").card)
    for field, value in (("network", "wide"), ("sample_period", 30.0), ("appliances", card.appliances[:1])):
        with pytest.raises(ConfigError, match="can't stand in for plain@1"):
            check_alike(card, card.model_copy(update={field: value}))
