"""Who is let in, by a clock that the tests set."""

from __future__ import annotations

import threading
from collections.abc import Callable

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


def taking(seconds: float, clock: Clock, *, threads: int, max_concurrent: int) -> Admission:
    """One that knows how long a request takes."""
    found = Admission(threads=threads, max_concurrent=max_concurrent)
    for _ in range(200):  # the mean forgets where it began
        assert found.enter()
        found.begin()
        clock.now += seconds
        found.end()
        found.leave()
    return found


def begun(found: Admission) -> Callable[[], None]:
    """Let another thread begin to compute; returns what ends it."""
    go, over = threading.Event(), threading.Event()

    def compute() -> None:
        found.begin()
        over.set()
        go.wait(20)
        found.end()
        over.set()

    def end() -> None:
        over.clear()
        go.set()
        assert over.wait(20)

    threading.Thread(target=compute, daemon=True).start()
    assert over.wait(20)
    return end


def test_as_many_are_let_in_as_may_be() -> None:
    found = Admission(threads=1, max_concurrent=3)
    assert [found.enter() for _ in range(4)] == [True, True, True, False]
    found.leave()
    assert found.under_way == 2


def test_while_others_are_refused_the_last_place_opens_when_what_is_computed_is_half_done(
    clock: Clock,
) -> None:
    found = taking(0.010, clock, threads=1, max_concurrent=2)
    assert found.enter()
    end = begun(found)
    assert found.enter()
    assert not found.enter()  # full: from now on others are being refused
    found.leave()
    clock.now += 0.0049
    assert not found.has_room()
    clock.now += 0.0002
    assert found.has_room()
    end()


def test_an_idle_thread_never_waits_for_half_of_anything(clock: Clock) -> None:
    found = taking(0.010, clock, threads=1, max_concurrent=2)
    assert [found.enter() for _ in range(3)] == [True, True, False]
    found.leave()
    found.leave()
    assert found.has_room()


def test_a_moment_after_the_last_refusal_every_place_is_open(clock: Clock) -> None:
    found = taking(0.010, clock, threads=1, max_concurrent=2)
    assert [found.enter() for _ in range(3)] == [True, True, False]
    found.leave()
    clock.now += 0.049
    end = begun(found)
    assert not found.has_room()  # which is a refusal as well
    clock.now += 0.051
    end()
    end = begun(found)
    assert found.has_room()
    end()


def test_with_two_threads_three_of_four_places_are_always_open(clock: Clock) -> None:
    found = taking(0.010, clock, threads=2, max_concurrent=4)
    ends = []
    for _ in range(2):
        assert found.enter()
        ends.append(begun(found))
    assert [found.enter() for _ in range(3)] == [True, True, False]
    found.leave()
    assert not found.has_room()  # three under way, none of them begun to be done
    clock.now += 0.0051  # two halves are one
    assert found.has_room()
    for end in ends:
        end()


def test_how_long_it_takes_until_all_is_done(clock: Clock) -> None:
    found = taking(0.2, clock, threads=2, max_concurrent=8)
    for _ in range(5):
        assert found.enter()
    assert found.wait() == pytest.approx(5 / 2 * 0.2)
