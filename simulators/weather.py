"""Rain over the city: a cloudburst, and what the streets below it make of the water."""

from dataclasses import dataclass

from simulators.course import Course, Occasion, delayed, still, swell, total


@dataclass(frozen=True, slots=True)
class Storm:
    """A cloudburst and its consequences, each a closed form of time.

    ``rain_mm_min`` falls in a minute at its height, ``depth_m`` stands in the underpass at the
    worst, ``level_m`` is how far the sewers rise. The water comes after the rain, and the pumps
    take ``drain_s`` to be rid of it.
    """

    occasion: Occasion
    rain_mm_min: float
    depth_m: float
    level_m: float
    rain_s: float = 420.0
    drain_s: float = 420.0

    @property
    def rain(self) -> Course:
        """Rain in mm a minute."""
        return swell(self.occasion, 40.0, self.rain_s - 160.0, 120.0, self.rain_mm_min)

    @property
    def depth(self) -> Course:
        """Water in the underpass, in m."""
        rise_s = 0.55 * self.rain_s
        hold_s = 0.45 * self.rain_s
        return delayed(swell(self.occasion, rise_s, hold_s, self.drain_s, self.depth_m), 10.0)

    @property
    def sewer_level(self) -> Course:
        """Rise of the water in the manholes, in m."""
        rise_s = 0.7 * self.rain_s
        hold_s = 0.5 * self.rain_s
        return delayed(swell(self.occasion, rise_s, hold_s, self.drain_s, self.level_m), 30.0)


def several(storms: tuple[Storm, ...]) -> tuple[Course, Course, Course]:
    """Return rain, underpass depth and sewer level of several storms together."""
    rain = total(still, *(storm.rain for storm in storms))
    depth = total(still, *(storm.depth for storm in storms))
    return rain, depth, total(still, *(storm.sewer_level for storm in storms))
