"""What a scenario is: worlds with the alarms that they must raise, and must not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from domain.catalogue import Catalogue
from domain.grade import Condition, Grade
from domain.time import NS_PER_S, seconds_to_ns
from simulators.course import Occasion, once
from simulators.world import Message, World, merged

BEGIN_NS = 1_789_995_600 * NS_PER_S  # 2026-09-21T21:00:00+08:00, a whole hour
NOON_NS = BEGIN_NS + 15 * 3600 * NS_PER_S
AFTERNOON_S = 4 * 3600.0  # from noon to four: the warmest hours, and the most biogas


@dataclass(frozen=True, slots=True)
class Expected:
    """An alarm: at least ``grade`` at its worst, reached within a window.

    The window is in seconds of event time after the scenario's beginning, and about the time at
    which that grade is reached. ``most`` is the worst that it may come to. ``returns``: at the
    scenario's end it is back to normal.
    """

    channel: str
    condition: Condition
    grade: Grade
    first_s: float
    last_s: float
    most: Grade = Grade.RED
    returns: bool = False

    def fits(self, channel: str, condition: Condition) -> bool:
        """Return whether an alarm of this channel and condition is the one meant."""
        return (self.channel, self.condition) == (channel, condition)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What plays, and what it raises.

    Every alarm of ``must`` has to come; alarms of ``may`` can (those that follow from the same
    cause); any other one on a channel of ``facilities`` is wrong. ``site`` is the stem of the file in
    config/sites that it plays on. ``shortfall``: where the product is known not to do what the truth
    asks, why; it counts against it on the scoreboard all the same. ``tick_s`` is longer than life's
    second where days are played: ticks say what is silent, and the loggers of days send each ten
    minutes.
    """

    name: str
    story: str
    facilities: tuple[str, ...]
    worlds: tuple[World, ...]
    length_s: float
    must: tuple[Expected, ...] = ()
    may: tuple[tuple[str, Condition], ...] = ()
    begin_ns: int = BEGIN_NS
    site: str = "demo"
    shortfall: str = ""
    tick_s: float = 1.0

    @property
    def end_ns(self) -> int:
        """When it is over."""
        return self.begin_ns + seconds_to_ns(self.length_s)

    def messages(self) -> Iterator[Message]:
        """Yield all that is sent, as it is in life."""
        return merged(self.worlds, self.begin_ns, self.end_ns)

    def catalogue(self, whole: Catalogue) -> Catalogue:
        """Return the part of its site's catalogue that this plays on.

        The others' gateways would be silent all the while, and that is not what is meant.
        """
        return replace(
            whole,
            facilities=tuple(one for one in whole.facilities if one.id in self.facilities),
            gateways=tuple(one for one in whole.gateways if one.facility in self.facilities),
            channels=tuple(one for one in whole.channels if one.facility in self.facilities),
        )


def after(seconds: float) -> Occasion:
    """Return the occasion so long after the beginning."""
    return once(BEGIN_NS + seconds_to_ns(seconds))


def played_over(
    calm: Scenario, name: str, story: str, change: Callable[[World], World]
) -> Scenario:
    """Return ``calm`` with each of its worlds changed, under another name."""
    worlds = tuple(change(world) for world in calm.worlds)
    return replace(calm, name=name, story=story, worlds=worlds)
