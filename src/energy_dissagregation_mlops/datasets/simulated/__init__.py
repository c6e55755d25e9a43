"""Homes that nobody lives in: made-up but lifelike appliances, people and meters.

``loads`` says what an appliance draws in one use, ``occupancy`` when people are there, ``households``
puts a home's days together, ``meters`` reads them, ``recording`` writes them, ``dataset`` reads such a
file. Everything is drawn from ``configs/simulation.yaml`` and a seed. A simulated home is for trying
things out, tests and the demonstration; it says nothing of how well a model does in a real one.
"""

from energy_dissagregation_mlops.datasets.simulated.dataset import Simulated
from energy_dissagregation_mlops.datasets.simulated.households import Day, Household, draw_household
from energy_dissagregation_mlops.datasets.simulated.parameters import Ranges, simulation_ranges
from energy_dissagregation_mlops.datasets.simulated.recording import Origin, simulate

__all__ = [
    "Day",
    "Household",
    "Origin",
    "Ranges",
    "Simulated",
    "draw_household",
    "simulate",
    "simulation_ranges",
]
