"""Networks that are trained already, made one that answers with all of them: no step is taken.

What is still to be found is found as after a training: how sure they must be together of each appliance to say it, on what
is kept for validation, and how good they are there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from energy_dissagregation_mlops.networks.gated_unet import GatedUnet
from energy_dissagregation_mlops.networks.gated_unets import GatedUnets
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training.data import TrainingSeries, scales_of
from energy_dissagregation_mlops.training.distributed import joined
from energy_dissagregation_mlops.training.gates import chosen_gates
from energy_dissagregation_mlops.training.loop import split_of
from energy_dissagregation_mlops.training.progress import EpochResult, Fitted
from energy_dissagregation_mlops.training.validation import Windows, validate


def put_together(
    network: GatedUnets,
    members: Sequence[GatedUnet],
    series: Sequence[TrainingSeries],
    config: TrainingConfig,
) -> Fitted:
    """Give a network its members' weights, and the caution that suits them together.

    Args:
        network: freshly built for them.
        members: trained, each on some of these houses.
        series: the houses of the run; (A, T) in the network's order of appliances.
        config: says which of them are validated on.

    Raises:
        ConfigError: as ``split_of``.
    """
    split = split_of(series, config, network)
    scales = scales_of(split.training, network.appliances)
    network.fit_scales(mains=scales.mains, power=scales.power)
    for own, member in zip(network.members, members, strict=True):
        own.load_state_dict(member.state_dict())  # with the scales that it was trained with
    validation = None
    with joined() as process:
        network.to(process.device)
        if split.validation:
            windows = Windows.of(split.validation, network, process)
            network.settle_gates(*chosen_gates(network, windows, process))
            validation = validate(network, windows, process)
    found = EpochResult(epoch=1, loss=math.nan, validation=validation)
    return Fitted(
        network=network.to("cpu").eval(), history=(found,), best_epoch=1, validated_on=split.validation
    )
