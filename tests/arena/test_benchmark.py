"""A protocol from its homes to its table, at a size that trains in a moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import pytest

from energy_dissagregation_mlops.arena import contests
from energy_dissagregation_mlops.arena import data as arena_data
from energy_dissagregation_mlops.arena.benchmark import MODELS, Places, part_of, run
from energy_dissagregation_mlops.arena.protocol import Protocol
from energy_dissagregation_mlops.arena.table import Table
from energy_dissagregation_mlops.datasets.simulated import Ranges, simulate, simulation_ranges
from energy_dissagregation_mlops.errors import ConfigError, LeakError, StoreError
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.settings import config_file
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.training import loop
from energy_dissagregation_mlops.training.data import Scales, TrainingSeries, scales_of

TINY = {"window_length": 128, "width": 4, "skip_width": 4, "expansion": 1, "kernel": 3, "dilations": [1]}

pytestmark = pytest.mark.usefixtures("exported_once")

HomeMaker = Callable[..., StoredHouse]
ProtocolMaker = Callable[..., Protocol]


@pytest.fixture
def places(store: Store, tmp_path: Path) -> Places:
    return Places(store=store, raw=tmp_path / "raw", output=tmp_path / "out")


def silent(done: float, total: float | None, note: str) -> None:
    pass


def forbidden(*arguments: object, **named: object) -> None:
    raise AssertionError("nothing is to be trained")


@pytest.mark.slow
def test_a_protocol_gives_a_table_once_and_trains_nothing_twice(
    make_home: HomeMaker, make_protocol: ProtocolMaker, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home("made", 1), make_home("made", 2)
    told: list[tuple[float, float | None]] = []
    published = [{"name": "Else", "source": "a paper", "mae": {"kettle": 7.5}}]
    protocol = make_protocol(published=published)
    result = run(protocol, places, progress=lambda done, total, note: told.append((done, total)))
    assert told[-1] == (1, 1)

    table = Table.of(result)
    markdown, as_json = table.write(places.output)
    titles, rows = table.overall("mae")
    assert titles == ("", "kettle", "fridge", "mean")
    # Baselines first; what was published stands last, marked, and has no mean where an appliance is not in it.
    assert [row[0] for row in rows] == [
        "always-off",
        "mean-power",
        "combinatorial",
        "tiny",
        "Else (published)",
    ]
    assert rows[-1] == ("Else (published)", "7.50", "-", "-")
    # House 2's three days: eleven kettles of 3 min at 2500 W; a fridge of 100 W in 2161 of 4320 minutes.
    assert rows[0][1:] == ("19.10", "50.02", "34.56")
    text = markdown.read_text()
    assert "| always-off | 19.10 [" in text and "Published by Else: a paper" in text

    entry = json.loads(as_json.read_text())["splits"][0]["entries"][-1]
    (trial,) = entry["trials"]
    assert (trial["seed"], entry["network"]) == (0, "gated_unet")
    assert trial["bundle_sha256"] and trial["samples_per_second"] > 0
    assert {each["appliance"] for each in trial["houses"]} == {"kettle", "fridge"}
    assert entry["figures"]["kettle"]["mae"]["low"] <= entry["figures"]["kettle"]["mae"]["high"]

    monkeypatch.setattr(contests, "train", forbidden)
    again = Table.of(run(protocol, places, progress=silent))
    assert again.overall("mae") == table.overall("mae")
    with pytest.raises(AssertionError, match="nothing is to be trained"):
        run(
            make_protocol(training={"epochs": 1, "steps_per_epoch": 3, "batch_size": 4}),
            places,
            progress=silent,
        )
    make_home("made", 1, days=4)  # other readings of the training home
    with pytest.raises(AssertionError, match="nothing is to be trained"):
        run(protocol, places, progress=silent)


@pytest.mark.slow
def test_a_pupil_learns_from_all_seeds_of_its_teachers_and_begins_from_its_own(
    make_home: HomeMaker, make_protocol: ProtocolMaker, places: Places
) -> None:
    make_home("made", 1), make_home("made", 2)
    tiny = {"name": "tiny", "network": "gated_unet", "network_options": TINY}
    pupil = {**tiny, "name": "pupil", "start": "tiny", "teachers": "tiny"}
    protocol = make_protocol(seeds=[0, 1], contestants=[tiny, pupil])
    (split,) = run(part_of(protocol, contestants=["pupil"]), places, progress=silent).splits
    assert [each.name for each in split.entries][-2:] == ["tiny", "pupil"]
    models = Registry(places.output / MODELS, shipped=None)
    of_tiny, of_pupil = (
        [models.resolve(str(trial.bundle)).card for trial in entry.trials] for entry in split.entries[-2:]
    )
    everybody = tuple(each.reference for each in of_tiny)
    assert [(each.start, each.teachers) for each in of_pupil] == [(one, everybody) for one in everybody]


@pytest.mark.slow
def test_all_seeds_of_a_contestant_answer_together_in_one_trial(
    make_home: HomeMaker, make_protocol: ProtocolMaker, places: Places
) -> None:
    make_home("made", 1), make_home("made", 2)
    tiny = {"name": "tiny", "network": "gated_unet", "network_options": TINY}
    together = {"name": "together", "network": "gated_unets", "members": "tiny"}
    told: list[tuple[float, float | None]] = []
    result = run(
        make_protocol(seeds=[0, 1], contestants=[tiny, together]), places,
        progress=lambda done, total, note: told.append((done, total)),
    )  # fmt: skip
    assert told[-1] == (3, 3)
    (split,) = result.splits
    alone, entry = split.entries[-2:]
    (trial,) = entry.trials
    card = Registry(places.output / MODELS, shipped=None).resolve(str(trial.bundle)).card
    assert card.members == tuple(each.bundle for each in alone.trials)
    assert entry.num_weights == 2 * alone.num_weights
    markdown, _ = Table.of(result).write(places.output)
    assert "Seeds: 0, 1; together: 0 + 1. " in markdown.read_text()


def test_scales_fitted_with_the_test_house_in_fail_the_run(
    make_home: HomeMaker, make_protocol: ProtocolMaker, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home("made", 1)
    other = make_home("made", 2)

    def cheating(series: Sequence[TrainingSeries], appliances: Sequence[str]) -> Scales:
        honest = scales_of(series, appliances)
        return Scales(mains=float(other.mains.mean()), power=honest.power, usage=honest.usage)

    monkeypatch.setattr(loop, "scales_of", cheating)
    with pytest.raises(LeakError, match="the scale of the mains"):
        run(make_protocol(), places, progress=silent)


def test_a_leak_in_any_split_is_found_before_anything_is_trained(
    make_home: HomeMaker, make_protocol: ProtocolMaker, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home("made", 1), make_home("made", 2)
    monkeypatch.setattr(contests, "train", forbidden)
    splits = [
        {"name": "good", "train": ["made:1"], "test": ["made:2"]},
        {"name": "bad", "train": ["made:1"], "validation": ["made:2"], "test": ["made:2"]},
    ]
    with pytest.raises(LeakError, match="split bad: made:2 is named for validation and for test"):
        run(make_protocol(splits=splits), places, progress=silent)


def test_an_appliance_that_is_never_used_where_it_counts_is_said(
    make_home: HomeMaker, make_protocol: ProtocolMaker, places: Places
) -> None:
    make_home("made", 1), make_home("made", 2)
    appliances = {"kettle": 2000, "microwave": 200}
    with pytest.raises(ConfigError, match="no house to train on has used and metered microwave"):
        run(make_protocol(appliances=appliances), places, progress=silent)


def test_houses_that_are_nowhere_are_said_with_the_file_to_get(
    make_home: HomeMaker, make_protocol: ProtocolMaker, places: Places
) -> None:
    make_home("made", 1)
    with pytest.raises(StoreError, match=r"needs made:2 at 60 s: expected absent.h5 in .*raw"):
        run(make_protocol(), places, progress=silent)


def test_a_part_of_a_protocol_is_named_by_its_splits_and_contestants(make_protocol: ProtocolMaker) -> None:
    splits = [{"name": name, "train": ["made:1"], "test": ["made:2"]} for name in ("a", "b")]
    protocol = make_protocol(splits=splits)
    assert part_of(protocol) == protocol
    assert [each.name for each in part_of(protocol, splits=["b"]).splits] == ["b"]


def test_simulated_homes_are_drawn_from_the_ranges_that_the_protocol_names(
    make_protocol: ProtocolMaker, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges = tmp_path / "ranges.yaml"
    text = config_file("simulation.yaml").read_text()
    ranges.write_text(text.replace("base_load: [50, 150]", "base_load: [40, 60]"))
    drawn: list[Ranges] = []

    def drawing(path: Path, *, ranges: Ranges, **named: object) -> None:
        drawn.append(ranges)
        raise StoreError("enough")

    monkeypatch.setattr(arena_data, "simulate", drawing)
    made = {"houses": 2, "days": 1, "seed": 3}
    for simulated in (made, made | {"ranges": str(ranges)}):
        with pytest.raises(StoreError, match="enough"):
            run(
                make_protocol(data={"made": {"file": "made.h5", "simulated": simulated}}),
                places,
                progress=silent,
            )
    assert [each.base_load for each in drawn] == [(50, 150), (40, 60)]


def test_simulated_homes_of_before_are_not_taken_for_those_of_now(
    make_protocol: ProtocolMaker, places: Places, tmp_path: Path
) -> None:
    ranges = tmp_path / "ranges.yaml"
    text = config_file("simulation.yaml").read_text()
    ranges.write_text(text)
    places.raw.mkdir(parents=True, exist_ok=True)
    path = simulate(places.raw / "made.h5", houses=2, days=1, seed=3, ranges=simulation_ranges(ranges))

    def prepared(*, houses: int, **changed: object) -> None:
        made = {"houses": houses, "days": 1, "seed": 3, "ranges": str(ranges)} | changed
        protocol = make_protocol(data={"made": {"file": "made.h5", "simulated": made}})
        arena_data.prepare(protocol, protocol.splits, places.store, raw=places.raw)

    prepared(houses=2)
    prepared(houses=5)  # house 1 is the same whatever their number
    for changed in ({"seed": 4}, {"days": 2}):
        with pytest.raises(StoreError, match=r"made.h5 has homes of 1 days, seed 3, .*: remove it"):
            prepared(houses=2, **changed)
    ranges.write_text(text.replace("base_load: [50, 150]", "base_load: [40, 60]"))
    with pytest.raises(StoreError, match=r"ranges .*ranges.yaml: remove it"):
        prepared(houses=2)
    with h5py.File(path, "r+") as file:
        del file.attrs["simulation"]
    prepared(houses=2)  # someone's own file, which says nothing
