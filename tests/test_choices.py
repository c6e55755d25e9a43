"""What is taken for granted, and what is made of what a person said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from energy_dissagregation_mlops import choices
from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.errors import ConfigError, DataError, UnknownNameError
from energy_dissagregation_mlops.meter_csv import Columns, Unit

NOTHING = {"time": None, "mains": None, "appliances": [], "unit": None, "zone_name": None, "day_first": None}


def test_the_only_file_is_taken_and_hidden_ones_are_not_seen(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    (tmp_path / ".a.csv.12345678.partial").touch()
    assert choices.only_file(tmp_path) == tmp_path / "a.csv"


@pytest.mark.parametrize(
    ("names", "message"), [((), "holds no data"), (("a.csv", "b"), "a.csv, b: name one with --data-path")]
)
def test_none_and_several_are_a_question(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=message):
        choices.only_file(tmp_path)


def test_a_folder_that_is_not_there_holds_no_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no data"):
        choices.only_file(tmp_path / "none")


def test_what_nobody_said_is_left_to_the_file() -> None:
    assert choices.columns(**NOTHING) == Columns()


def test_what_was_said_is_taken_as_it_is() -> None:
    said = choices.columns(
        time="when", mains=["total", "export"], appliances=["kettle=Plug=3", "fridge=Plug 4"],
        unit="KWH", zone_name="Europe/London", day_first=True,
    )  # fmt: skip
    assert said == Columns(
        time="when", mains="total,export", appliances=(("kettle", "Plug=3"), ("fridge", "Plug 4")),
        unit=Unit.KWH, time_zone="Europe/London", day_first=True,
    )  # fmt: skip


@pytest.mark.parametrize("text", ["kettle", "kettle=", "=Plug"])
def test_half_a_pair_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected APPLIANCE=COLUMN"):
        choices.columns(**NOTHING | {"appliances": [text]})


def test_two_stand_ins_for_one_house_are_refused() -> None:
    with pytest.raises(ConfigError, match="two for refit2:1"):
        choices.stand_ins(["a@1=refit2:1", "b@1=refit2:1"], resolve=lambda _: None)  # type: ignore[arg-type,return-value]


def test_an_unknown_unit_or_zone_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match=r"no unit 'MW'.*kWh"):
        choices.columns(**NOTHING | {"unit": "MW"})
    with pytest.raises(UnknownNameError, match="Europe/London"):
        choices.columns(**NOTHING | {"zone_name": "Europe/Lodnon"})


def test_a_picture_ends_in_what_can_be_drawn() -> None:
    assert choices.picture_file(None) is None
    assert choices.picture_file(Path("day.svg")) == Path("day.svg")
    for name in ("day", "day.docx"):
        with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf"):
            choices.picture_file(Path(name))


@pytest.mark.parametrize(
    ("validation", "worth"),
    [
        (None, True),
        ([], True),
        ([(0.999, 20.0)], True),
        ([(1.0, 20.0)], False),
        ([(1.0, 20.0), (0.0, 0.0)], False),  # silence about what is not used there is no merit
        ([(0.9, 20.0), (0.0, 0.0)], True),
        ([(0.9, 20.0), (3.0, 0.0)], False),
        ([(0.9, 20.0), (None, None)], True),
        ([(0.0, 0.0)], True),  # nothing is used there, so nothing is known
    ],
)
def test_a_model_that_is_no_better_than_always_off_is_not_worth_promoting_and_that_is_told(
    validation: list[tuple[float | None, float | None]] | None,
    worth: bool,
    make_bundle: Callable[..., Bundle],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bundle = make_bundle()
    found = validation and {"appliances": [{"share": one, "always_off_mae": off} for one, off in validation]}
    (bundle.folder / "metrics.json").write_text(json.dumps({"validation": found}))
    assert choices.worth_promoting(bundle) is worth
    assert ("`edmlops models promote plain@1` does it all the same" in caplog.text) is not worth
