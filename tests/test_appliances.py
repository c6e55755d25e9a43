from __future__ import annotations

from pathlib import Path

import pytest

from energy_dissagregation_mlops.appliances import (
    APPLIANCES_FILE,
    appliance,
    appliances,
    normalised,
    recognise,
    select,
)
from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError

BLOCK = "{on_power_threshold: 100, max_power: 2000, min_on_duration: 0, min_off_duration: 0%s}"


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONFIGS_PATH", str(tmp_path))
    return tmp_path / APPLIANCES_FILE


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("kettle", (2000, 3100, 12, 0)),
        ("fridge", (50, 300, 60, 12)),
        ("washing machine", (20, 2500, 1800, 160)),
        ("microwave", (200, 3000, 12, 30)),
        ("dishwasher", (10, 2500, 1800, 1800)),
    ],
)
def test_the_five_appliances_have_their_published_parameters(
    name: str, numbers: tuple[float, float, float, float]
) -> None:
    known = appliances()[name]
    assert numbers == (
        known.on_power_threshold,
        known.max_power,
        known.min_on_duration,
        known.min_off_duration,
    )


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Washing_Machine 2", "washing machine"),
        ("washing-machine", "washing machine"),
        (" KETTLE ", "kettle"),
        ("Fridge/Freezer", "fridge"),
        ("fridge_1", "fridge"),
        ("tumble dryer", None),
        ("2", None),
        ("", None),
    ],
)
def test_a_label_is_recognised_in_any_spelling(label: str, name: str | None) -> None:
    assert recognise(label) == name


def test_a_spelling_is_its_letters() -> None:
    assert normalised("  Dish-Washer_12 ") == "dishwasher"
    assert normalised("3d printer") == "3dprinter"


def test_an_unknown_appliance_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"'ketle': there is kettle, fridge.*did you mean 'kettle'"):
        appliance("ketle")


def test_selected_appliances_come_once_and_in_the_order_of_the_file() -> None:
    assert [known.name for known in select(["Dish washer", "kettle", "dishwasher"])] == [
        "kettle",
        "dishwasher",
    ]
    assert select(None) == tuple(appliances().values())


def test_ones_own_file_is_read_again_when_it_changes(own_file: Path) -> None:
    own_file.write_text(f"sauna: {BLOCK % ''}")
    assert list(appliances()) == ["sauna"]
    own_file.write_text(f"sauna: {BLOCK % ''}\nheat pump: {BLOCK % ', aliases: [hp]'}")
    assert appliance("HP 1").name == "heat pump"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected keys with values, found nothing"),
        ("- kettle", "expected keys with values, found list"),
        ("kettle: 5", "kettle: Input should be a valid dictionary; correct that line"),
        ("kettle: {on_power_threshold: [}", "expected YAML ("),
        (b"\xff\xfe\x00k", "expected YAML ("),
        (f"kettle: {BLOCK % ', colour: red'}", "kettle.colour: Extra inputs"),
        (f"kettle: {BLOCK % ', aliases: jug'}", "kettle.aliases: "),
        (f"kettle: {BLOCK.replace('2000', '50') % ''}", "max_power must lie above on_power_threshold"),
        (f"kettle: {BLOCK.replace('2000', '.inf') % ''}", "kettle.max_power: "),
        (f"kettle: {BLOCK.replace('2000', '-3') % ''}", "kettle.max_power: "),
        (f"kettle: {BLOCK % ''}\njug: {BLOCK % ', aliases: [Kettle 2]'}", "'kettle' already means 'kettle'"),
        (f"Mains: {BLOCK % ''}", "'mains' already means the column 'mains'"),
        (f"tv: {BLOCK % ', aliases: [other]'}", "'other' already means the column 'other'"),
        ("tv: " + BLOCK % ", aliases: ['7']", "without a letter"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_line_with_the_place(
    own_file: Path, text: str | bytes, message: str
) -> None:
    own_file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as error:
        appliances()
    assert message in str(error.value)
    assert str(own_file) in str(error.value)
    assert "\n" not in str(error.value)
