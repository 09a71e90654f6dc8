"""A gas section: methane in the manholes beside the pipe, its pressure, and the air above.

Physics, sources and parameters: docs/worlds/gas.md.
"""

from simulators.gas.causes import Leak, Ventilation, Works, escape_m3_h
from simulators.gas.detector import Detector
from simulators.gas.street import GasStreet, gas

__all__ = ["Detector", "GasStreet", "Leak", "Ventilation", "Works", "escape_m3_h", "gas"]
