"""What a data set may be called: the name becomes a folder of the store, and a house's reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy_dissagregation_mlops.datasets.opening import open_dataset
from energy_dissagregation_mlops.errors import ConfigError


@pytest.fixture
def meter(tmp_path: Path) -> Path:
    path = tmp_path / "meter.csv"
    path.write_text("time,power\n2024-06-01 00:00,182\n2024-06-01 00:01,2950\n2024-06-01 00:02,190\n")
    return path


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "/tmp/x", "..", ".hidden", "a:b", "", "my home"])
def test_a_name_that_no_house_could_be_asked_for_by_is_refused(meter: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="expected letters, digits"):
        open_dataset(meter, name=name)


@pytest.mark.parametrize("name", ["refit2", "House_2.30s", "häuser-1"])
def test_a_plain_name_is_taken(meter: Path, name: str) -> None:
    assert open_dataset(meter, name=name).name == name
