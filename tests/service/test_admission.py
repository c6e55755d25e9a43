"""Who is let in, by a clock that the tests set."""

from __future__ import annotations

import pytest

from energy_dissagregation_mlops.service import admission
from energy_dissagregation_mlops.service.admission import Admission


class Clock:
    """Stands where the module has its ``time``."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(admission, "time", found)
    return found


def full(*, threads: int, max_concurrent: int) -> Admission:
    """One that has just refused a request, since it has taken as many as it may."""
    found = Admission(threads=threads, max_concurrent=max_concurrent)
    assert [found.enter() for _ in range(max_concurrent + 1)] == [True] * max_concurrent + [False]
    return found


def test_as_many_are_let_in_as_may_be() -> None:
    found = full(threads=1, max_concurrent=3)
    found.leave()
    assert found.under_way == 2


@pytest.mark.parametrize(
    ("threads", "max_concurrent", "under_pressure"),
    [(1, 2, 1), (2, 4, 2), (1, 8, 7), (4, 4, 4), (4, 2, 2), (2, 3, 2)],
)
def test_while_others_are_refused_there_is_a_place_fewer_for_each_thread_but_one_to_compute_in(
    clock: Clock, threads: int, max_concurrent: int, under_pressure: int
) -> None:
    found = full(threads=threads, max_concurrent=max_concurrent)
    for under_way in reversed(range(max_concurrent)):
        found.leave()
        assert found.has_room() == (under_way < under_pressure)


def test_a_moment_after_the_last_refusal_every_place_is_open(clock: Clock) -> None:
    found = full(threads=1, max_concurrent=2)
    found.leave()
    clock.now += 0.049
    assert not found.has_room()  # which is a refusal as well
    clock.now += 0.051
    assert found.enter()


def test_how_long_it_takes_until_all_is_done() -> None:
    found = Admission(threads=2, max_concurrent=8)
    for _ in range(200):  # the mean forgets where it began
        found.took(0.2)
    for _ in range(5):
        assert found.enter()
    assert found.wait() == pytest.approx(5 / 2 * 0.2)
