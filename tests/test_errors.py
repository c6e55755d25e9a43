from __future__ import annotations

import inspect
import pickle

import pytest

from energy_dissagregation_mlops import errors
from energy_dissagregation_mlops.errors import EdmlopsError, UnknownNameError


def test_an_unknown_name_gets_the_right_ones_and_the_nearest() -> None:
    error = UnknownNameError("appliance", "ketle", ["kettle", "fridge"], "add a block for another")
    assert str(error) == (
        "no appliance 'ketle': there is kettle, fridge; did you mean 'kettle'?; add a block for another"
    )


def test_nothing_is_guessed_where_nothing_is_near() -> None:
    assert str(UnknownNameError("house", 9, (1, 2))) == "no house '9': there is 1, 2"
    assert str(UnknownNameError("house", 9, ())) == "no house '9': there is none"


def test_names_that_can_be_read_only_once_are_kept() -> None:
    error = UnknownNameError("house", 9, iter([1, 2]))
    assert str(error) == str(error) == "no house '9': there is 1, 2"


@pytest.mark.parametrize("error", [UnknownNameError("house", 9, {1: "a"}, "see inspect"), EdmlopsError("x")])
def test_an_error_survives_the_way_out_of_a_worker_process(error: EdmlopsError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_the_docstring_draws_every_error() -> None:
    classes = [
        cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__
    ]
    assert all(issubclass(cls, EdmlopsError) for cls in classes)
    assert [cls.__name__ for cls in classes if cls.__name__ not in (errors.__doc__ or "")] == []
