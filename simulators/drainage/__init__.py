"""A drainage section with an underpass: rain, manholes, the water on the road, its pumps.

Physics, sources and parameters: docs/worlds/drainage.md.
"""

from simulators.drainage.causes import Blockage, Discharge, HighRiver, PumpFailure
from simulators.drainage.instruments import drainage, whole_station
from simulators.drainage.street import DrainageStreet
from simulators.rain import SHANGHAI, Intensity, Storm

__all__ = [
    "SHANGHAI",
    "Blockage",
    "Discharge",
    "DrainageStreet",
    "HighRiver",
    "Intensity",
    "PumpFailure",
    "Storm",
    "drainage",
    "whole_station",
]
