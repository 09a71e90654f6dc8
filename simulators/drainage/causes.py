"""What happens to a drainage section besides rain."""

from dataclasses import dataclass

from simulators.course import Course, Occasion, swell

HELD_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Blockage:
    """Grease, rubble or roots in the pipe that leaves a manhole: ``open_share`` is left of it.

    ``manhole`` is its place in the section; the last one's pipe is the outfall.
    """

    occasion: Occasion
    manhole: int
    open_share: float = 0.01
    length_s: float = HELD_S


@dataclass(frozen=True, slots=True)
class PumpFailure:
    """Pumps of the underpass that trip: by number, 0 and 1."""

    occasion: Occasion
    length_s: float
    pumps: tuple[int, ...] = (0, 1)


@dataclass(frozen=True, slots=True)
class HighRiver:
    """A flood in the river: ``height_m`` above the outfall's invert at its crest."""

    occasion: Occasion
    height_m: float
    rise_s: float = 7_200.0
    hold_s: float = 7_200.0
    fall_s: float = 10_800.0

    @property
    def course(self) -> Course:
        """Its height above the usual river."""
        return swell(self.occasion, self.rise_s, self.hold_s, self.fall_s, self.height_m)


@dataclass(frozen=True, slots=True)
class Discharge:
    """Somebody's waste water, let into a manhole: salt, and sour."""

    occasion: Occasion
    length_s: float
    manhole: int = 1
    flow_m3_s: float = 0.025
    conductivity: float = 15_000.0  # uS/cm; pickling baths have 5,000 to 50,000
    ph: float = 2.5
