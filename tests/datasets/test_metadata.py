import contextlib
import os
import pickle
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.datasets import metadata
from energy_dissagregation_mlops.datasets.metadata import load_metadata
from energy_dissagregation_mlops.errors import DataError, UnsafeFileError

WHERE = "house.h5: attribute metadata"

text = st.text(alphabet=string.printable + "é€", max_size=8)
scalars = text | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(text | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


class TouchesAFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.path}",)


def python_2_style(path: Path) -> bytes:
    return f"(S'touch {path}'\nios\nsystem\n.".encode()


def builds_an_object(path: Path) -> bytes:
    return f"(cos\nsystem\nS'touch {path}'\no.".encode()


@given(plain, st.integers(0, 5), st.booleans())
def test_plain_data_comes_back_equal(value: object, protocol: int, as_text: bool) -> None:
    raw = pickle.dumps(value, protocol)
    attribute = raw.decode("utf-8", "surrogateescape") if as_text else raw
    assert load_metadata(attribute, where=WHERE) == value


def test_a_pickle_of_python_2_is_read() -> None:
    raw = b"(dp0\nS'instance'\np1\nI1\nsS'meters'\np2\n(lp3\nI10\naL20L\nasS'site_meter'\np4\nI01\ns."
    assert load_metadata(raw, where=WHERE) == {"instance": 1, "meters": [10, 20], "site_meter": True}


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_is_refused_and_nothing_runs(protocol: int, tmp_path: Path) -> None:
    trace = tmp_path / "it_ran"
    raw = pickle.dumps({"name": TouchesAFile(trace)}, protocol)
    with pytest.raises(UnsafeFileError, match="metadata is refused"):
        load_metadata(raw, where=WHERE)
    assert not trace.exists()
    pickle.loads(raw)
    assert trace.exists(), "the pickle was not malicious, so the test above proves nothing"


@pytest.mark.parametrize("build", [python_2_style, builds_an_object])
def test_older_ways_to_call_a_function_are_refused(build: object, tmp_path: Path) -> None:
    assert callable(build)
    trace = tmp_path / "it_ran"
    raw = build(trace)
    with pytest.raises(UnsafeFileError):
        load_metadata(raw, where=WHERE)
    assert not trace.exists()
    pickle.loads(raw)
    assert trace.exists()


@pytest.mark.parametrize("raw", [b"Pname\n.", b"\x80\x02\x82\x01.", b"\x80\x02N\x81.", b"\x80\x05\x97."])
def test_opcodes_that_reach_outside_the_pickle_are_refused(raw: bytes) -> None:
    with pytest.raises(UnsafeFileError):
        load_metadata(raw, where=WHERE)


def test_the_message_says_where_and_what_was_asked_for(tmp_path: Path) -> None:
    raw = pickle.dumps(TouchesAFile(tmp_path / "x"), 0)
    with pytest.raises(UnsafeFileError) as caught:
        load_metadata(raw, where=WHERE)
    assert str(caught.value).startswith(WHERE) and "posix system" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_unpickler_refuses_even_what_the_scan_lets_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        metadata, "_PLAIN_OPCODES", metadata._PLAIN_OPCODES | {"GLOBAL", "REDUCE", "BINPERSID"}
    )
    trace = tmp_path / "it_ran"
    for raw in (pickle.dumps(TouchesAFile(trace), 0), b"\x80\x02NQ."):
        with pytest.raises(DataError, match="it asks for"):
            load_metadata(raw, where=WHERE)
    assert not trace.exists()


def test_shared_parts_that_unfold_to_billions_are_refused() -> None:
    laughs: list[object] = ["ha"]
    for _ in range(30):
        laughs = [laughs] * 10
    with pytest.raises(UnsafeFileError, match="unfolds"):
        load_metadata(pickle.dumps(laughs), where=WHERE)


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(UnsafeFileError, match="unfolds"):
        load_metadata(pickle.dumps(endless), where=WHERE)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(UnsafeFileError, match="levels"):
        load_metadata(b"(" * 20_000 + b"l" * 20_000 + b".", where=WHERE)


def test_a_few_bytes_that_ask_for_gigabytes_are_refused() -> None:
    with pytest.raises(UnsafeFileError, match="memo"):
        load_metadata(b"\x80\x04}r\xff\xff\xff\xff.", where=WHERE)


def test_an_attribute_above_the_cap_is_refused() -> None:
    with pytest.raises(UnsafeFileError, match="bytes long"):
        load_metadata(pickle.dumps("x" * (metadata.MAX_BYTES + 1)), where=WHERE)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b".",
        b"(lp0\n",
        b"not a pickle",
        b"}}Ns.",  # a dictionary as a key
        b"h\x05.",  # a memo entry that is not there
        b"I" + b"9" * 5000 + b"\n.",
        b"\x80\xff.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",  # a text longer than any file
        "caf\u20ac",
    ],
)
def test_a_broken_pickle_is_a_data_error_of_one_line(raw: bytes | str) -> None:
    with pytest.raises(DataError) as caught:
        load_metadata(raw, where=WHERE)
    assert str(caught.value).startswith(WHERE) and "\n" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_give_plain_data_or_a_data_error(raw: bytes) -> None:
    with contextlib.suppress(DataError):
        load_metadata(raw, where=WHERE)
