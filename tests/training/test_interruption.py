import signal
import threading

import pytest

from energy_dissagregation_mlops.training.interruption import put_off


def work_interrupted(times, done):
    with put_off() as interruption:
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        done.append(interruption.signal)


def test_a_signal_is_kept_until_the_work_is_done():
    done = []
    with pytest.raises(KeyboardInterrupt):
        work_interrupted(1, done)
    assert done == [signal.SIGINT]


def test_a_second_signal_is_not_kept():
    done = []
    with pytest.raises(KeyboardInterrupt):
        work_interrupted(2, done)
    assert not done


def test_handlers_are_what_they_were_afterwards():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with put_off():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_another_thread_puts_nothing_off_and_fails_at_nothing():
    seen = []

    def work():
        with put_off() as interruption:
            seen.append(interruption.signal)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]
