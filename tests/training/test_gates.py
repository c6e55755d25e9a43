"""Gates by hand: what is better than saying nothing is said, what is not needs more certainty."""

import numpy as np
import pytest
import torch
from tiny_run import APPLIANCES, TinyNetwork

from energy_dissagregation_mlops.networks.contract import Output
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training.distributed import joined
from energy_dissagregation_mlops.training.gates import gate_shift
from energy_dissagregation_mlops.training.validation import Windows


class Told(TinyNetwork):
    """Says 1 kW of both appliances wherever the mains is not 0, as surely as the mains is high: 600 W is 0.6."""

    def forward(self, mains):
        core = mains[:, self.margin : self.margin + self.core]
        sure = torch.logit((core / 1000).clamp(0.01, 0.99))[:, None].expand(-1, 2, -1)
        return Output(1000.0 * (core > 0)[:, None].expand(-1, 2, -1).float(), sure)


def home(name: str, *, truly: dict[int, float]) -> TrainingSeries:
    """Ten uses at each sureness in W, of which this part is the kettle's; the fridge is never on."""
    mains, power = np.zeros(1000, np.float32), np.zeros((2, 1000), np.float32)
    for number, (level, part) in enumerate(truly.items()):
        at = 20 * np.arange(10) + 3 * number
        mains[at] = level
        power[0, at[: round(10 * part)]] = 1000
    return TrainingSeries(
        name=name, start=0.0, sample_period=60.0, mains=mains, power=power, on=power > 0, metered=np.ones(2, bool)
    )  # fmt: skip


def gates(*homes: TrainingSeries) -> list[float]:
    network = Told()
    with joined() as process:
        shift = gate_shift(network, Windows.of(homes, network, process), process)
    return torch.sigmoid(shift).tolist()


def test_the_lowest_gate_that_is_worth_it_is_taken():
    assert gates(home("a:1", truly={550: 0.8, 820: 1.0}))[0] == pytest.approx(0.5)
    assert gates(home("a:1", truly={570: 0.0, 620: 0.2, 820: 1.0}))[0] == pytest.approx(0.6)


def test_an_appliance_that_is_never_used_keeps_its_gate():
    assert gates(home("a:1", truly={820: 1.0}))[APPLIANCES.index("fridge")] == pytest.approx(0.5)


def test_where_nothing_is_worth_it_the_best_is_taken():
    assert gates(home("a:1", truly={620: 0.1, 820: 0.2}))[0] == pytest.approx(0.85)


def test_a_home_where_it_is_hardly_ever_on_does_not_silence_it_in_all_others():
    often, seldom = {820: 0.9}, {820: 0.1}  # nine times as much said in vain as there is to be said
    homes = [home("a:1", truly=often), home("a:2", truly=often), home("a:3", truly=seldom)]
    assert gates(*homes)[0] == pytest.approx(0.5)
    assert gates(homes[0], homes[2])[0] == pytest.approx(0.85)


def test_of_two_homes_each_counts_alike():
    # The sum over both homes would gain from 0.6 on; but the home with little use loses more than the other gains.
    busy, quiet = home("a:1", truly={570: 0.9, 820: 0.9}), home("a:2", truly={570: 0.0, 820: 0.2})
    assert gates(busy)[0] == pytest.approx(0.5)
    assert gates(busy, quiet)[0] == pytest.approx(0.85)
