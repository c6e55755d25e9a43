"""The store: what is written is read, and what is broken is said in one line."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable

import numpy as np
import pytest

from energy_dissagregation_mlops.errors import StoreError, UnknownNameError
from energy_dissagregation_mlops.store import Store, StoredHouse, listed

HouseMaker = Callable[..., StoredHouse]


def test_a_house_is_read_as_it_was_written(store: Store, make_house: HouseMaker) -> None:
    written = make_house("made", 2)
    found = store.open("made:2", 60)
    assert found.manifest == written.manifest
    assert isinstance(found.power, np.memmap)
    np.testing.assert_array_equal(found.power[0][:4], [2500, 2500, 2500, 0])
    assert not found.power.flags.writeable


def test_houses_are_listed_in_order_and_writing_again_replaces(store: Store, make_house: HouseMaker) -> None:
    for house in (10, 2, 2):
        make_house("made", house)
    assert [each.reference for each in store.manifests(60)] == ["made:2", "made:10"]
    assert store.periods() == [60]
    assert list(store.root.rglob(".*")) == []


@pytest.mark.parametrize(
    "reference", ["made:3", "made:01", "other:1", "made", "made:", ":1", "../60s/made:1"]
)
def test_an_unknown_house_lists_those_there_are(store: Store, make_house: HouseMaker, reference: str) -> None:
    make_house("made", 1)
    with pytest.raises(UnknownNameError, match="there is made:1"):
        store.open(reference, 60)


def test_to_open_a_house_no_other_is_looked_at(store: Store, make_house: HouseMaker) -> None:
    (make_house("made", 1).folder / "manifest.json").write_text("not what it was")
    make_house("made", 2)
    assert store.open("made:2", 60).manifest.house == 2


@pytest.mark.parametrize("file", ["power.npy", "on.npy", "manifest.json"])
@pytest.mark.parametrize("harm", ["absent", "cut", "empty", "other"])
def test_a_broken_house_says_so(store: Store, make_house: HouseMaker, file: str, harm: str) -> None:
    folder = make_house().folder
    path = folder / file
    content = path.read_bytes()
    if harm == "absent":
        path.unlink()
    else:
        left = {"cut": content[: len(content) // 2], "empty": b"", "other": b"\x80\x04 not what it was"}
        path.write_bytes(left[harm])
    with pytest.raises(StoreError, match=re.escape(str(folder))) as caught:
        StoredHouse.open(folder)
    assert "\n" not in str(caught.value)


def test_a_house_that_can_not_be_opened_is_not_called_incomplete(make_house: HouseMaker) -> None:
    folder = make_house().folder
    before, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, allowed))
    try:
        with pytest.raises(StoreError, match="more open files") as caught:
            [StoredHouse.open(folder) for _ in range(64)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, allowed))
    assert "preprocess" not in str(caught.value)


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ([], ""),
        (["homes:1"], "homes:1"),
        (["homes:1", "homes:2", "refit2:1"], "homes:1, homes:2, refit2:1"),
        (["homes:9", "homes:10", "homes:11", "wide:12"], "homes:9-11, wide:12"),
        (["a:1", "a:2", "a:3", "a:5", "b:6", "b:7", "b:8"], "a:1-3, a:5, b:6-8"),
        (["a:3", "a:2", "a:1", "attic", "b:x"], "a:3, a:2, a:1, attic, b:x"),
    ],
)
def test_many_houses_are_listed_as_ranges(references: list[str], expected: str) -> None:
    assert listed(references) == expected
