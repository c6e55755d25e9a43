"""Bundles and versions: added whole, checked, promoted, rolled back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from energy_dissagregation_mlops.bundle import FILES, Bundle
from energy_dissagregation_mlops.errors import BundleError, ConfigError, UnknownNameError
from energy_dissagregation_mlops.registry import SHIPPED, Registry

BundleMaker = Callable[..., Bundle]


def test_versions_count_up_and_a_name_means_its_production(
    registry: Registry, make_bundle: BundleMaker
) -> None:
    assert [make_bundle().card.version for _ in range(3)] == ["1", "2", "3"]
    registry.promote("plain@2")
    assert registry.resolve().card.reference == "plain@2"
    assert registry.resolve("plain").card.reference == "plain@2"
    assert registry.resolve("plain@production").card.reference == "plain@2"
    assert registry.resolve("plain@3").card.reference == "plain@3"


def test_rollback_goes_back_the_way_that_promotion_came(registry: Registry, make_bundle: BundleMaker) -> None:
    for _ in range(3):
        make_bundle()
    for version in (1, 3, 3, 2):
        registry.promote(f"plain@{version}")
    assert [registry.rollback("plain").card.version for _ in range(2)] == ["3", "1"]
    with pytest.raises(BundleError, match="no earlier version"):
        registry.rollback("plain")
    assert registry.production("plain") == 1


def test_promotions_side_by_side_are_all_remembered(registry: Registry, make_bundle: BundleMaker) -> None:
    references = [make_bundle().card.reference for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(registry.promote, references))
    back = [registry.rollback("plain").card.version for _ in range(3)]
    assert len(set(back)) == 3
    with pytest.raises(BundleError, match="no earlier version"):
        registry.rollback("plain")


def test_rolling_back_a_model_that_is_not_there_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    for name in ("other", ".."):
        with pytest.raises(BundleError, match="no earlier version"):
            registry.rollback(name)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("file", FILES)
def test_a_changed_byte_is_found(registry: Registry, make_bundle: BundleMaker, file: str) -> None:
    path = make_bundle().folder / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=f"{file} has changed"):
        registry.resolve("plain@1")
    with pytest.raises(BundleError, match=f"{file} has changed"):
        registry.promote("plain@1")


def test_a_card_that_can_not_be_read_hides_no_other(
    registry: Registry, make_bundle: BundleMaker, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        make_bundle()
    (registry.root / "plain" / "1" / "card.json").write_text('{"name":')
    assert [card.reference for card in registry.cards()] == ["plain@2"]
    assert "1/card.json can't be read" in caplog.text


def test_a_card_that_is_no_file_hides_no_other(registry: Registry, make_bundle: BundleMaker) -> None:
    for _ in range(2):
        make_bundle()
    card = registry.root / "plain" / "1" / "card.json"
    card.unlink()
    card.mkdir()
    assert [card.reference for card in registry.cards()] == ["plain@2"]


def test_a_pointer_that_can_not_be_read_is_none_in_production_of_a_list(
    registry: Registry, make_bundle: BundleMaker, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("one", "two"):
        registry.promote(make_bundle(name).card.reference)
    (registry.root / "one" / "production.json").write_text("{")
    assert (registry.production("one"), registry.production("two")) == (None, 1)
    assert "one/production.json can't be read" in caplog.text
    # It may have been the one that was promoted last, which nobody can tell.
    with pytest.raises(BundleError, match=r"production\.json can't be read"):
        registry.resolve()


@pytest.mark.parametrize(
    ("root", "message", "told"),
    [
        ("/srv/models", "/srv/models/home/3/model.onnx has changed", "home/3/model.onnx has changed"),
        ("/srv/models", "'/srv/models/home' and /srv/models/den", "'home' and den"),
        ("/srv/models", "/mnt/srv/models/home", "/mnt/srv/models/home"),
        ("models", "no model is in production in models: `edmlops models`", "no model is in production: `edmlops models`"),
        ("m", "them/me in mains", "them/me in mains"),
    ],
)  # fmt: skip
def test_what_others_are_told_names_models_and_not_where_they_lie(root: str, message: str, told: str) -> None:
    assert Registry(Path(root)).without_folders(message) == told


def test_a_version_that_is_not_there_is_said_to_be_a_version(
    registry: Registry, make_bundle: BundleMaker
) -> None:
    make_bundle()
    with pytest.raises(UnknownNameError, match="no version of plain '9': there is 1, production"):
        Registry(registry.root.parent / "none", shipped=registry.root).resolve("plain@9")


@pytest.mark.parametrize("file", FILES)
def test_an_absent_file_is_found(registry: Registry, make_bundle: BundleMaker, file: str) -> None:
    (make_bundle().folder / file).unlink()
    with pytest.raises((BundleError, UnknownNameError)):
        registry.resolve("plain@1")


def test_a_bundle_may_be_made_only_to_be_served(registry: Registry) -> None:
    shipped = registry.resolve()
    assert shipped.graph.is_file()
    with pytest.raises(BundleError, match=r"has no best\.pt"):
        _ = shipped.weights


def test_unknown_names_list_the_right_ones(registry: Registry, make_bundle: BundleMaker) -> None:
    make_bundle()
    with pytest.raises(UnknownNameError, match="did you mean 'plain'"):
        registry.resolve("plane")
    with pytest.raises(UnknownNameError, match="there is 1, production"):
        registry.resolve("plain@7")
    with pytest.raises(BundleError, match="no model is in production"):
        Registry(registry.root, shipped=None).resolve()


def test_the_package_ships_a_model_that_answers_until_one_of_your_own_is_in_production(
    registry: Registry, make_bundle: BundleMaker
) -> None:
    shipped = registry.resolve()
    assert shipped.folder.is_relative_to(SHIPPED)
    assert registry.resolve(shipped.card.reference) == shipped
    made = make_bundle()
    assert registry.resolve() == shipped
    registry.promote(made.card.reference)
    assert registry.resolve() == made


def test_a_reference_means_one_bundle_though_a_model_of_that_name_ships(
    registry: Registry, make_bundle: BundleMaker
) -> None:
    shipped = registry.resolve()
    made = make_bundle(shipped.card.name)
    assert int(made.card.version) == int(shipped.card.version) + 1
    assert registry.resolve(shipped.card.reference) == shipped
    assert registry.resolve(made.card.reference) == made


def test_a_model_of_your_own_hides_one_that_ships_under_the_same_name(
    registry: Registry, make_bundle: BundleMaker
) -> None:
    name = registry.resolve().card.name
    made = make_bundle(name)
    registry.promote(made.card.reference)
    assert registry.resolve(name) == made


def test_promoting_the_model_that_ships_leads_back_to_it(
    registry: Registry, make_bundle: BundleMaker
) -> None:
    shipped = registry.resolve()
    registry.promote(make_bundle().card.reference)
    with pytest.raises(BundleError, match=r"promote`, or the one that ships"):
        registry.rollback("plain")
    registry.promote(shipped.card.name)
    back = registry.resolve()
    assert (back.card, back.sha256) == (shipped.card, shipped.sha256)
    made = make_bundle(shipped.card.name)
    registry.promote(made.card.reference)
    assert registry.rollback(shipped.card.name) == back


def test_a_copied_version_that_says_it_is_another_is_not_promoted(
    registry: Registry, make_bundle: BundleMaker
) -> None:
    first = make_bundle()
    shutil.copytree(first.folder, first.folder.parent / "2")
    with pytest.raises(BundleError, match=r"plain/2 holds plain@1, no version of its own"):
        registry.promote("plain@2")
    assert registry.production("plain") is None


def test_of_several_models_in_production_the_one_promoted_last_is_meant(
    registry: Registry, make_bundle: BundleMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = count(1.7e9)
    monkeypatch.setattr("energy_dissagregation_mlops.registry.time.time", lambda: next(clock))
    two, one, newer = (make_bundle(name) for name in ("two", "one", "two"))
    for made in (two, one, newer):
        registry.promote(made.card.reference)
        assert registry.resolve() == made
    registry.promote(one.card.reference)  # once more
    assert registry.resolve() == one
    registry.rollback("two")  # what is meant stays
    assert registry.resolve() == one and registry.resolve("two") == two


def test_a_pointer_that_does_not_say_when_is_older_than_any_other(
    registry: Registry, make_bundle: BundleMaker
) -> None:
    for name in ("one", "two"):
        registry.promote(make_bundle(name).card.reference)
    (registry.root / "two" / "production.json").write_text('{"production": 1, "history": [1]}')
    assert registry.resolve().card.name == "one"


def test_names_that_leave_the_folder_are_refused(registry: Registry) -> None:
    for name in ("../out", "", "a/b", "Ä"):
        with pytest.raises(BundleError, match="can't name a model"):
            registry.add(name, lambda folder, version: None)
        with pytest.raises((BundleError, UnknownNameError)):
            registry.resolve(f"{name}@1")


def test_a_failed_bundle_leaves_nothing(registry: Registry) -> None:
    def fill(folder: Path, version: str) -> None:
        (folder / "card.json").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        registry.add("plain", fill)
    assert [path.name for path in (registry.root / "plain").iterdir()] == []


def test_versions_added_at_once_are_all_kept(registry: Registry, make_bundle: BundleMaker) -> None:
    with ThreadPoolExecutor(4) as pool:
        versions = [made.card.version for made in pool.map(lambda _: make_bundle(), range(8))]
    assert sorted(map(int, versions)) == list(range(1, 9))
    for version in versions:
        assert registry.resolve(f"plain@{version}").card.version == version


def test_a_broken_pointer_says_what_to_do(registry: Registry, make_bundle: BundleMaker) -> None:
    registry.promote(make_bundle().card.reference)
    pointer = registry.root / "plain" / "production.json"
    assert json.loads(pointer.read_text())["production"] == 1
    pointer.write_text("{")
    with pytest.raises(BundleError, match=r"production\.json can't be read"):
        registry.resolve("plain")


def test_a_model_that_was_never_promoted_has_no_production(
    registry: Registry, make_bundle: BundleMaker
) -> None:
    make_bundle()
    with pytest.raises(BundleError, match=r"plain has no version in production: promote one of \[1\]"):
        registry.resolve("plain")


def test_the_card_of_a_bundle_that_ships_is_not_rewritten(registry: Registry) -> None:
    registry.check_own(registry.promote("general@1"))  # a copy of one's own
    with pytest.raises(ConfigError, match="general@1 ships with the package"):
        registry.check_own(Registry(registry.root.parent / "none").resolve("general@1"))
