from __future__ import annotations

from pathlib import Path

import pytest

from energy_dissagregation_mlops.datasets.download.obtain import _address
from energy_dissagregation_mlops.datasets.download.sources import (
    parsed_digest,
    publication,
    publications,
)
from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError

BLOCK = """
home:
  title: A home
  licence: CC0
  attribution: nobody
  time_zone: UTC
  addresses: [{url: "https://example.org/home.zip"}]
  files: [{name: home.csv}]
  unpacked: 10
"""


def with_sources(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "sources.yaml").write_text(text)
    monkeypatch.setenv("CONFIGS_PATH", str(tmp_path))


def test_the_shipped_sources_are_uk_dale_and_refit_with_their_published_facts() -> None:
    assert list(publications()) == ["ukdale", "refit"]
    ukdale, refit = publication("ukdale"), publication("refit")
    assert ukdale.target == "ukdale.h5"
    assert ukdale.files[0].size == ukdale.unpacked == 6_330_639_238
    assert ukdale.files[0].hash == "md5:9f2b7f5dfa3a9d6842529d3a138c110a"
    assert refit.target == "refit"
    assert refit.addresses[0].size == 514_265_481
    assert len(refit.files) == 20
    assert "CLEAN_House14.csv" not in {file.name for file in refit.files}
    for each in (ukdale, refit):
        assert each.source.licence == "CC BY 4.0" and "doi:" in each.source.attribution
        assert all(address.url.startswith("https://") for address in each.addresses)


def test_an_unknown_data_set_lists_those_that_can_be_downloaded() -> None:
    with pytest.raises(UnknownNameError, match=r"no data set to download 'ukdal': there is ukdale, refit"):
        publication("ukdal")


def test_a_mirror_is_held_to_what_the_first_address_sends() -> None:
    refit, mirror = publication("refit"), "http://mirror.example/refit"
    assert _address(refit, mirror).url == mirror
    assert _address(refit, mirror).hash == refit.addresses[0].hash


def test_an_address_that_is_known_keeps_its_own_facts() -> None:
    ukdale = publication("ukdale")
    assert _address(ukdale, ukdale.addresses[1].url) is ukdale.addresses[1]
    assert _address(ukdale, None) is ukdale.addresses[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("home.csv", "../home.csv", "a file's name without folders"),
        ("unpacked: 10", "unpacked: -1", "greater than 0"),
        ("unpacked: 10", "unpacking: 10", r"home\.unpacked: Field required"),
        ("{name: home.csv}", "{name: a}, {name: b}", "several files need a folder"),
        ("{name: home.csv}", '{name: home.csv, hash: "md5:12"}', "is not a hash"),
        ("{name: home.csv}", "{name: [", "expected YAML"),
        (BLOCK, "- a list", "expected keys with values, found list"),
    ],
)
def test_a_wrong_file_of_sources_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    assert old in BLOCK
    with_sources(BLOCK.replace(old, new), tmp_path, monkeypatch)
    with pytest.raises(ConfigError, match=message):
        publications()


def test_a_hash_is_read_in_any_case() -> None:
    assert parsed_digest(f" MD5:{'A' * 32}\n") == f"md5:{'a' * 32}"


@pytest.mark.parametrize("text", ["", "md5:12", "a" * 32, f"sha1:{'a' * 40}", f"sha256:{'g' * 64}"])
def test_what_is_not_a_hash_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected md5: and 32 or sha256: and 64 hexadecimal digits"):
        parsed_digest(text)
