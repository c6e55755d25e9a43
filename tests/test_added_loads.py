"""Loads that the script puts into a home: so many watts, so long, at those hours."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from added_loads import DAY, LOADS, Load


def test_a_load_without_turns_runs_from_its_begin_to_its_end() -> None:
    power = Load("car", 2300, 300, 0, 18, 24).trace(2 * DAY, np.random.default_rng(0))
    for day in np.split(power, 2):
        on = np.flatnonzero(day)
        assert 18 * 60 <= on[0] < 18.5 * 60
        assert 250 < len(on) <= on[-1] - on[0] + 1
        np.testing.assert_allclose(day[on], 2300, rtol=0.05)


def test_turns_take_their_share_of_the_hours() -> None:
    for load in LOADS:
        power = load.trace(28 * DAY, np.random.default_rng(1))
        hours = min(load.end - load.begin - 0.25, load.on / 60 if not load.off else 24)
        share = load.on / (load.on + load.off)
        expected = 28 * load.power * hours * 60 * share
        assert abs(power.sum() - expected) < 0.12 * expected, load.name
