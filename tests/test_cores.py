"""Ctrl-C that must wait, from wherever it comes."""

from __future__ import annotations

import signal
import threading

import pytest

from energy_dissagregation_mlops.cores import interrupts_deferred, interrupts_held


@pytest.mark.parametrize("held", [interrupts_deferred, interrupts_held])
def test_ctrl_c_waits_for_the_end_of_the_block_whichever_thread_gets_it(held):
    reached = []

    def interrupted() -> None:
        with held():
            other = threading.Thread(target=signal.pthread_kill, args=(threading.get_ident(), signal.SIGINT))
            other.start()
            other.join()
            signal.raise_signal(signal.SIGINT)
            reached.append("the end")
        reached.append("what is after it")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_came_to_a_thread_that_does_not_block_it_waits_too():
    ready, go = threading.Event(), threading.Event()

    def take() -> None:
        ready.set()
        go.wait()
        signal.raise_signal(signal.SIGINT)  # to this thread

    reached = []
    other = threading.Thread(target=take)
    other.start()  # before the block: it inherits no mask
    ready.wait()

    def interrupted() -> None:
        with interrupts_held():
            go.set()
            other.join()
            reached.append(sum(range(1000)))
        reached.append(0)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == [499500]


def test_where_ctrl_c_is_ignored_it_stays_so_and_other_threads_are_left_alone():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_deferred():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    done = []

    def elsewhere() -> None:
        with interrupts_deferred():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert done == [signal.default_int_handler]
