"""Cycles of a compressor, found in mains that a test draws."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from cold_cycles import Cycle, cycles


def mains() -> np.ndarray:
    """400 quiet minutes at 100 W, a cycle of 40 min at 70 W from minute 50 on."""
    power = np.full(400, 100, np.float32)
    power[50:90] += 70
    power[49] += 30  # it began within this minute, and ended within another
    power[90] += 20
    return power


def test_a_cycle_is_found_by_its_whole_minutes() -> None:
    assert cycles(mains()) == [Cycle(begin=50, end=90, rest=100.0)]


def test_what_is_no_lone_cycle_is_not_taken_for_one() -> None:
    for begin, end, power in ((200, 203, 70), (200, 240, 300), (200, 240, 20), (200, 290, 70)):
        other = mains()
        other[begin:end] += power  # too short, too strong, too weak, too long
        assert len(cycles(other)) == 1
    stays = mains()
    stays[60:] += 50  # something else comes on before it ends
    missing = mains()
    missing[48] = np.nan
    assert cycles(stays) == cycles(missing) == []
