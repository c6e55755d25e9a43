"""Which homes a bundle is calibrated on: what its best weights were chosen on, or homes that are named."""

from __future__ import annotations

from collections.abc import Sequence

from energy_dissagregation_mlops.calibration.fit import Witness
from energy_dissagregation_mlops.calibration.series import KnownHome
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.store import StoredHouse
from energy_dissagregation_mlops.training.data import TrainingSeries


def of_validation(
    disaggregator: Disaggregator, houses: Sequence[StoredHouse], validation: Sequence[TrainingSeries]
) -> list[Witness]:
    """The validation homes, or the stretches of time that were kept out of training.

    Args:
        disaggregator: of the bundle.
        houses: those of the run.
        validation: a split's part of them that is validated on.
    """
    by_name = {house.manifest.reference: house for house in houses}
    found = []
    for one in validation:
        house = by_name[one.name]
        begin = round((one.start - house.manifest.start) / one.sample_period)
        home = KnownHome.of(house, disaggregator.card, span=(begin, begin + len(one)))
        found.append(Witness(home=home, disaggregator=disaggregator))
    return found
