"""A protocol's file: read whole, and each mistake in it told in a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from energy_dissagregation_mlops.arena.benchmark import part_of
from energy_dissagregation_mlops.arena.protocol import load_protocol
from energy_dissagregation_mlops.errors import ConfigError, EdmlopsError, UnknownNameError

BENCHMARKS = Path(__file__).parents[2] / "configs" / "benchmarks"

PLAIN: dict[str, Any] = {
    "name": "test",
    "data": {"made": {"file": "made.h5"}},
    "sample_period": 60,
    "appliances": {"kettle": 2000},
    "splits": [{"name": "a", "train": ["made:1-3", "made:7"], "test": ["made:4"]}],
    "training": {"epochs": 2, "lr": 0.01},
    "contestants": [{"name": "tiny", "network": "gated_unet", "training": {"lr": 0.02}}],
}


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "protocol.yaml"
    path.write_text(yaml.safe_dump(PLAIN | changes))
    return path


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_protocol_that_ships_can_be_read_and_is_named_after_its_file(path: Path) -> None:
    protocol = load_protocol(path)
    assert protocol.name == path.stem
    assert protocol.contestants and protocol.description
    for split in protocol.splits:
        assert not set(split.seen) & set(split.test)


def test_a_range_of_houses_is_spelt_out(tmp_path: Path) -> None:
    split = load_protocol(written(tmp_path)).split("a")
    assert split.train == ("made:1", "made:2", "made:3", "made:7")
    assert split.seen == split.train and split.test == ("made:4",)


def test_a_contestants_training_beats_the_protocols(tmp_path: Path) -> None:
    protocol = load_protocol(written(tmp_path))
    training = protocol.training_of(protocol.contestant("tiny"))
    assert (training.epochs, training.lr) == (2, 0.02)


def test_a_part_of_a_protocol_has_those_that_its_contestants_learn_from(tmp_path: Path) -> None:
    plain = PLAIN["contestants"][0]
    named = [plain, {**plain, "name": "else"}, {**plain, "name": "second", "start": "tiny"}]
    named.append({**plain, "name": "third", "teachers": "second"})
    protocol = load_protocol(written(tmp_path, contestants=named))

    def part(*names: str) -> list[str]:
        return [each.name for each in part_of(protocol, contestants=names).contestants]

    assert part("third") == ["tiny", "second", "third"]
    assert part("else") == ["else"]
    assert part() == ["tiny", "else", "second", "third"]


SPLIT = PLAIN["splits"][0]
CONTESTANT = PLAIN["contestants"][0]


def test_seeds_answer_together_so_many_at_a_time(tmp_path: Path) -> None:
    many = CONTESTANT | {"name": "many", "seeds": [4, 5, 6, 7, 8]}
    pairs = CONTESTANT | {"name": "pairs", "members": "many", "together": 2}
    everybody = CONTESTANT | {"name": "everybody", "members": "many"}
    pupil = CONTESTANT | {"name": "pupil", "teachers": "many", "together": 3}
    protocol = load_protocol(
        written(tmp_path, seeds=[0, 1], contestants=[CONTESTANT, many, pairs, everybody, pupil])
    )
    assert [protocol.seeds_of(each) for each in protocol.contestants] == [
        (0, 1), (4, 5, 6, 7, 8), (4, 6), (4,), (0, 1),
    ]  # fmt: skip
    members = [protocol.members_of(protocol.contestant("pairs"), seed) for seed in (4, 6)]
    assert members == [(4, 5), (6, 7)]  # the last is left over
    assert protocol.members_of(protocol.contestant("everybody"), 4) == (4, 5, 6, 7, 8)
    assert protocol.teachers_of(protocol.contestant("pupil")) == (4, 5, 6)
    assert (
        protocol.teachers_of(protocol.contestant("many"))
        == protocol.members_of(protocol.contestant("many"), 4)
        == ()
    )


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"sede": [1]}, ConfigError, "sede: Extra inputs are not permitted"),
        ({"splits": []}, ConfigError, "splits: "),
        ({"splits": [SPLIT, SPLIT]}, ConfigError, "two splits have one name"),
        ({"splits": [SPLIT | {"test": ["made4"]}]}, ConfigError, "splits.0.test.0: "),
        ({"splits": [SPLIT | {"test": ["other:4"]}]}, UnknownNameError, "'other': there is made"),
        ({"appliances": {"kettel": 2000}}, UnknownNameError, "did you mean 'kettle'"),
        ({"contestants": [CONTESTANT | {"network": "gated"}]}, UnknownNameError, "no network 'gated'"),
        ({"contestants": [CONTESTANT | {"training": {"seed": 1}}]}, ConfigError, "seed is the protocol's own"),
        ({"contestants": [CONTESTANT | {"teachers": "big"}]}, ConfigError, "tiny learns from big, which is no contestant above"),
        (
            {"contestants": [CONTESTANT, CONTESTANT | {"name": "all", "members": "tiny"}]}, ConfigError,
            "all needs 2 seeds of tiny, which has 1",
        ),
        (
            {"contestants": [CONTESTANT, CONTESTANT | {"name": "pupil", "teachers": "tiny", "together": 3}]}, ConfigError,
            "pupil needs 3 seeds of tiny, which has 1",
        ),
        (
            {"seeds": [0, 1], "contestants": [CONTESTANT, CONTESTANT | {"name": "all", "members": "tiny", "seeds": [0]}]},
            ConfigError, "all has the seeds of its members",
        ),
        ({"contestants": [CONTESTANT | {"seeds": []}]}, ConfigError, "contestants.0.seeds: "),
        ({"contestants": [CONTESTANT | {"together": 2}]}, ConfigError, "tiny has neither members nor teachers"),
        ({"training": {"validation_houses": ["made:4"]}}, ConfigError, "validation_houses is the protocol's own"),
        ({"seeds": []}, ConfigError, "seeds: "),
        ({"seeds": [0, -1]}, ConfigError, "seeds.1: "),
        ({"seeds": [0, 1, 0]}, ConfigError, "seeds: 0 is named twice"),
        ({"contestants": [CONTESTANT | {"seeds": [2, 2]}]}, ConfigError, "contestants.0.seeds: 2 is named twice"),
        ({"training": {"epoch": 3}}, UnknownNameError, "'epoch'"),
        ({"contestants": [CONTESTANT | {"network_options": {"wdith": 4}}]}, UnknownNameError, "did you mean 'width'"),
        ({"contestants": [CONTESTANT | {"network_options": {"kernel": 4}}]}, ConfigError, "odd kernel"),
        ({"splits": [SPLIT | {"train": ["made:1", "made:3-2"]}]}, ConfigError, "splits.0.train.1: "),
        ({"splits": [SPLIT | {"train": ["made:1-3", "made:2"]}]}, ConfigError, "made:2 is named twice"),
        ({"name": "My Protocol"}, ConfigError, "name: "),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(
    tmp_path: Path, changes: dict[str, Any], kind: type[EdmlopsError], message: str
) -> None:
    with pytest.raises(kind) as told:
        load_protocol(written(tmp_path, **changes))
    assert message in str(told.value) and "\n" not in str(told.value)


def test_a_mistake_of_the_whole_is_told_without_all_of_it(tmp_path: Path) -> None:
    path = written(tmp_path, splits=[SPLIT, SPLIT])
    with pytest.raises(ConfigError) as told:
        load_protocol(path)
    assert str(told.value) == f"{path}: two splits have one name; correct it"


def test_a_split_or_contestant_that_is_not_there_is_told_those_that_are(tmp_path: Path) -> None:
    protocol = load_protocol(written(tmp_path))
    with pytest.raises(UnknownNameError, match="no split called 'b': there is a"):
        protocol.split("b")
    with pytest.raises(UnknownNameError, match="no contestant called 'huge': there is tiny"):
        protocol.contestant("huge")
