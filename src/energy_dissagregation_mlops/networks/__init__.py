"""The networks, by name: a new one is a file here and a name in the tuple below."""

from __future__ import annotations

from collections.abc import Mapping

from energy_dissagregation_mlops.errors import UnknownNameError
from energy_dissagregation_mlops.networks.bert4nilm import Bert4Nilm
from energy_dissagregation_mlops.networks.contract import Network, Output
from energy_dissagregation_mlops.networks.gated_unet import GatedUnet
from energy_dissagregation_mlops.networks.gated_unets import GatedUnets
from energy_dissagregation_mlops.networks.nilmformer import NilmFormer
from energy_dissagregation_mlops.networks.seq2point import Seq2Point

__all__ = ["NETWORKS", "Network", "Output", "build"]

NETWORKS: Mapping[str, type[Network]] = {
    network.name: network for network in (GatedUnet, GatedUnets, Seq2Point, Bert4Nilm, NilmFormer)
}


def build(name: str, appliances: tuple[str, ...], options: Mapping[str, object]) -> Network:
    """A new network of this name for these appliances, its weights drawn from torch's generator.

    Args:
        name: one of ``NETWORKS``.
        appliances: A names, in the order of the outputs.
        options: fields of the network's ``Config``; what is absent takes its default.

    Raises:
        UnknownNameError: there is no such network, or it has no such option.
        ConfigError: an option's value can't be used.
    """
    if name not in NETWORKS:
        raise UnknownNameError("network", name, NETWORKS)
    return NETWORKS[name].configured(appliances, options)
