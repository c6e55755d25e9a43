"""Caution by hand: what is better than saying nothing is said, what is not needs more certainty."""

import numpy as np
import pytest
import torch
from tiny_run import APPLIANCES, TinyNetwork

from energy_dissagregation_mlops.networks.contract import Output
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training.distributed import joined
from energy_dissagregation_mlops.training.gates import CAUTIONS, Caution, chosen_gates
from energy_dissagregation_mlops.training.validation import Windows


class Told(TinyNetwork):
    """Says 1 kW of both appliances wherever the mains is not 0, as surely as the mains is high: 600 W is 0.6."""

    def forward(self, mains):
        core = mains[:, self.margin : self.margin + self.core].nan_to_num()
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


def gates(*homes: TrainingSeries) -> tuple[Caution, Caution]:
    """Those of the kettle and of the fridge."""
    network = Told()
    with joined() as process:
        shift, sureness = chosen_gates(network, Windows.of(homes, network, process), process)
    each = torch.cat([torch.sigmoid(shift)[:, None], sureness], dim=1).tolist()
    return tuple(Caution(*(round(number, 6) for number in row)) for row in each)


@pytest.mark.parametrize(("part", "number"), [(0.8, 0), (0.7, 1), (0.6, 2), (0.4, 3)])
def test_caution_grows_until_what_is_said_is_no_worse_than_silence(part, number):
    """Ten uses said in vain at 0.55, and ten at 0.95 of which this part is true. By hand, in kW.

    Of 0.55 the cautions say 0.417, 0.25, 0.1 and nothing, of 0.95 1, 0.917, 0.9 and 0.875. So with seven of ten true
    the first errs by 4.17 + 3, more than silence's 7, the second by 2.5 + 3 * 0.917 + 7 * 0.083 = 5.83. With six
    the second errs by 2.5 + 4.17, more than 6, the third by 1 + 4.2; with four it errs by 1 + 5.8, more than 4.
    """
    assert gates(home("a:1", truly={550: 0.0, 950: part}))[0] == CAUTIONS[number]


def test_an_appliance_that_is_never_used_keeps_its_gate():
    assert gates(home("a:1", truly={820: 1.0}))[APPLIANCES.index("fridge")] == CAUTIONS[0]


def test_where_nothing_is_worth_it_the_most_cautious_is_taken():
    assert gates(home("a:1", truly={620: 0.1, 820: 0.2}))[0] == CAUTIONS[-1]


def test_one_home_in_five_where_it_is_hardly_ever_on_does_not_silence_it_in_the_others():
    often, seldom = {820: 0.9}, {820: 0.1}  # nine times as much said in vain as there is to be said
    homes = [home(f"a:{number}", truly=often) for number in range(4)]
    assert gates(*homes, home("a:9", truly=seldom))[0] == CAUTIONS[0]
    assert gates(*homes[:3], home("a:8", truly=seldom), home("a:9", truly=seldom))[0] == CAUTIONS[-1]


def test_of_two_homes_both_must_gain():
    gains, loses = home("a:1", truly={820: 0.9}), home("a:2", truly={820: 0.1})
    assert gates(gains, gains)[0] == CAUTIONS[0]
    assert gates(gains, loses)[0] == CAUTIONS[-1]
