"""What a person is shown: every number of a result, in a table that fits a narrow terminal."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from rich.console import Console

from energy_dissagregation_mlops import terminal
from energy_dissagregation_mlops.bundle import Bundle, with_card
from energy_dissagregation_mlops.evaluation import evaluate
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.mains import MainsSeries
from energy_dissagregation_mlops.inspection import MeterSurvey
from energy_dissagregation_mlops.prediction import predict
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.results.homes import show_prediction, show_stored, show_survey
from energy_dissagregation_mlops.results.models import show_card, show_models
from energy_dissagregation_mlops.results.scores import show_evaluations
from energy_dissagregation_mlops.results.training import epoch_line, show_calibration, training_note
from energy_dissagregation_mlops.seen import Seen
from energy_dissagregation_mlops.signals import Counts
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.training.progress import Progress
from energy_dissagregation_mlops.vocabulary import Quantity, Source

HouseMaker = Callable[..., StoredHouse]
BundleMaker = Callable[..., Bundle]


class Screen:
    """80 columns."""

    def __init__(self) -> None:
        self._file = io.StringIO()
        self.console = Console(file=self._file, width=80, color_system=None, soft_wrap=True)

    @property
    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in self.text.splitlines()]

    @property
    def text(self) -> str:
        return self._file.getvalue()

    def fits(self) -> bool:
        """Whether tables keep to the width; paths may be longer."""
        return all(len(line) <= 80 or line.startswith("/") for line in self.text.splitlines())


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    made = Screen()
    monkeypatch.setattr(terminal, "_consoles", {True: made.console, False: made.console})
    return made


class Opened:
    """What a survey's heading tells of a data set."""

    path, kind, name = Path("homes.h5"), "nilmtk", "homes"
    source = Source(title="Homes", licence="CC0-1.0")


def meter(name: str, **changes: object) -> MeterSurvey:
    values = {
        "house": 1, "name": name, "channel": "a", "quantity": Quantity.APPARENT, "shared_with": (),
        "readings": 24_000_000, "start": 1.4e9, "stop": 1.4e9 + 1629.4 * 86_400, "sample_period": 6.0, "gaps": 12_345,
        "missing_share": 0.239, "energy_per_day_kwh": 10.44,
    }  # fmt: skip
    return MeterSurvey(**values | changes)  # type: ignore[arg-type]


def test_a_survey_fits_and_says_what_is_shared_and_what_is_not_there(screen: Screen) -> None:
    nothing = dict.fromkeys(("start", "stop", "sample_period", "missing_share", "energy_per_day_kwh"))
    found = [
        meter("mains"),
        meter("washing machine", shared_with=("tumble dryer",)),
        meter("kettle", **nothing, readings=0, gaps=0),
    ]
    show_survey(Opened(), found, as_json=False)  # type: ignore[arg-type]
    assert screen.fits()
    assert "1 mains apparent 2014-05-13 1,629.4 6 s 12,345 23.9 % 10.44" in screen.lines
    assert "1 kettle apparent - - - 0 - -" in screen.lines
    assert "* house 1: washing machine shares its meter with tumble dryer" in screen.lines


def test_a_survey_as_json_has_no_nan(screen: Screen) -> None:
    show_survey(Opened(), [meter("mains", energy_per_day_kwh=float("nan"))], as_json=True)  # type: ignore[arg-type]
    said = json.loads(screen.text)
    assert said["kind"] == "nilmtk" and said["meters"][0]["energy_per_day_kwh"] is None
    assert said["meters"][0]["readings"] == 24_000_000


def test_stored_houses_fit(screen: Screen, make_house: HouseMaker) -> None:
    house = make_house()
    record = house.manifest.meters[0]
    counts = {
        "readings": 1e7, "missing": 1, "duplicates": 2, "frozen": 3, "clipped": 4, "negative": 5,
        "filled_seconds": 5400, "missing_samples": 432,
    }  # fmt: skip
    meters = tuple(each.model_copy(update={"counts": counts}) for each in house.manifest.meters)
    assert record.name == "mains"
    manifest = house.manifest.model_copy(update={"meters": meters})
    show_stored(
        [
            StoredHouse(
                folder=house.folder, manifest=manifest, mains=house.mains, power=house.power, on=house.on
            )
        ]
    )
    assert screen.fits()
    assert "made:1 mains 3.0 10,000,000 6 9 1.5 10.0 %" in screen.lines
    assert str(house.folder) in screen.text


def test_scores_stand_beside_their_baselines(
    screen: Screen, make_house: HouseMaker, make_bundle: BundleMaker, store: Store
) -> None:
    bundle = make_bundle()
    found = evaluate(bundle, make_house(days=2), Seen.of(bundle.card, store))
    show_evaluations([found], as_json=False)
    kettle = found.appliances[0]
    mean = kettle.mean_power.mae
    assert screen.fits()
    # Always off misses 2500 W for 9 minutes of each day; six uses, all of them found.
    assert f"kettle 0.0 15.6 {mean:.1f} 1.00 0.00 0.38 / 0.38 6/6 6" in screen.lines
    screen_text = screen.text
    assert "never seen in training" in screen_text
    show_evaluations([found], as_json=True)
    said = json.loads(screen.text[len(screen_text) :])
    assert said[0]["appliances"][0]["always_off"]["mae"] == pytest.approx(2500 * 9 / 1440)
    show_evaluations([dataclasses.replace(found, num_absent=342)], as_json=False)
    assert "not known to have been seen in training" in " ".join(screen.text.split())


def test_an_appliance_without_intervals_is_told_why(
    screen: Screen, make_house: HouseMaker, calibrated: Bundle, store: Store
) -> None:
    calibration = calibrated.card.calibration
    assert calibration is not None
    bare = [each.model_copy(update={"intervals": None}) for each in calibration.appliances]
    short = calibrated.card.model_copy(
        update={"calibration": calibration.model_copy(update={"appliances": tuple(bare)})}
    )
    bundle = with_card(calibrated, short)
    show_calibration(bundle)
    seen = Seen.of(bundle.card, store)
    show_evaluations([evaluate(bundle, make_house("new", 3), seen)], as_json=False)
    told = " ".join(screen.text.split())
    assert "never calibrated" not in told
    assert told.count("no intervals of kettle, fridge: use is said in fewer than 20 spans of 6 h") == 1
    assert "It gives no intervals: too little use is said in the homes that it was calibrated on" in told


def predicted(bundle: Bundle, folder: Path, power: np.ndarray) -> tuple[MainsSeries, Disaggregator]:
    mains = MainsSeries(start=1.7e9, power=power.astype(np.float32), source_period=60, counts=Counts())
    disaggregator = Disaggregator.load(bundle)
    made = predict(mains, disaggregator, folder / "a.csv", zone=ZoneInfo("UTC"))
    show_prediction(made, bundle.card)
    return mains, disaggregator


def test_a_prediction_says_energy_share_and_uses(
    screen: Screen, make_bundle: BundleMaker, tmp_path: Path
) -> None:
    power = np.full(1440, 110.0)
    power[[100, 200, 300]] = 3000
    predicted(make_bundle(), tmp_path, power)
    # 1437 minutes of 110 W and 3 of 3000 W; of each of these 2500 W are the kettle's.
    mains, kettle = (1437 * 110 + 3 * 3000) / 60_000, 3 * 2500 / 60_000
    assert f"mains {mains:.2f} {mains:.2f} 100.0 %" in screen.lines
    assert f"kettle {kettle:.2f} {kettle:.2f} {100 * kettle / mains:.1f} % 3" in screen.lines
    assert "2023-11-14 22:13 UTC, 1.0 days measured (100 % of the span), by plain@1" in screen.lines
    assert "--max-gap" not in screen.text


def test_a_meter_that_is_mostly_silent_gets_advice(
    screen: Screen, make_bundle: BundleMaker, tmp_path: Path
) -> None:
    power = np.full(1440, np.nan)
    power[:400] = 110.0
    predicted(make_bundle(), tmp_path, power)
    assert "Only 28 % of the span is measured" in screen.text and "--max-gap 3600" in screen.text


def test_models_are_listed_within_the_width_and_shown_whole(
    screen: Screen, make_bundle: BundleMaker, registry: Registry
) -> None:
    bundle = make_bundle()
    make_bundle()
    registry.promote("plain@2")
    show_models(registry, as_json=False)
    assert "plain@1 plain 0 60 s kettle, fridge 2026-01-01" in screen.lines
    assert "plain@2 yes plain 0 60 s kettle, fridge 2026-01-01" in screen.lines
    show_card(bundle, as_json=False)
    assert screen.fits()
    assert "…" not in screen.text


def test_a_card_tells_of_the_models_that_a_model_came_from(screen: Screen, make_bundle: BundleMaker) -> None:
    bundle = make_bundle()
    update = {"start": "home@1", "teachers": ("home@1", "home@2"), "members": ("else@3",)}
    changed = dataclasses.replace(bundle, card=bundle.card.model_copy(update=update))
    show_card(changed, as_json=False)
    for line in ("began from: home@1", "taught by: home@1, home@2", "put together from: else@3"):
        assert line in screen.text


def test_a_line_tells_of_an_epoch_once_it_is_over() -> None:
    progress = Progress(epoch=2, epochs=5, step=7, steps=20, loss=0.25, samples_per_second=1234.5)
    assert training_note(progress) == "epoch 2/5, loss 0.2500"
    assert epoch_line(progress) is None


def test_a_shipped_model_that_was_promoted_is_listed_once(registry: Registry, screen: Screen) -> None:
    registry.promote("general")
    show_models(registry, as_json=False)
    assert screen.text.count("general@1") == 1


def test_a_list_of_models_shows_those_of_whom_it_can_not_be_read_which_is_in_production(
    registry: Registry, make_bundle: BundleMaker, screen: Screen
) -> None:
    for name in ("one", "two", "three"):
        registry.promote(make_bundle(name).card.reference)
    (registry.root / "one" / "production.json").write_text("{")
    show_models(registry, as_json=False)
    assert "one@1 plain 0 60 s kettle, fridge 2026-01-01" in screen.lines
    assert "two@1 yes plain 0 60 s kettle, fridge 2026-01-01" in screen.lines
    assert "none answers where none is named" in screen.text
