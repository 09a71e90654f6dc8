"""Tunnels: what moves slowly, the air, and the portal."""

from domain.grade import Condition, Grade
from domain.time import NS_PER_S, seconds_to_ns
from simulators.course import Course, drift, level, once, swell, times, total
from simulators.scenarios.scenario import BEGIN_NS, Expected, Scenario, after
from simulators.tunnel import AIR_ONLY, LINING, Trouble, Works, tunnel
from simulators.world import Station

NORTH_HILL = "tunnel/north-hill"
CLIFF = "tunnel/cliff"
DELTA = "tunnel/delta"

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
MIDNIGHT_NS = BEGIN_NS + 3 * 3600 * NS_PER_S
CALM = Trouble()


def north_hill(seed: int, trouble: Trouble = CALM) -> Station:
    """Return the demonstration's tunnel."""
    return tunnel("gw-tunnel-north", "nanling", seed, trouble=trouble)


def settlement_trend(seed: int) -> Scenario:
    """Return a support that settles steadily."""
    world = north_hill(seed, Trouble(settling_mm=drift(BEGIN_NS, 96.0, 10_800.0)))
    channel = f"{NORTH_HILL}/settlement-2"
    # 1.7 mm and 4 mm an hour: 12 mm after 2 h 35 min; two readings of three.
    yellow = Expected(channel, Condition.HIGH, Grade.YELLOW, 8_900.0, 9_800.0, most=Grade.YELLOW)
    story = "Ring 2 settles by 4 mm an hour for three hours and passes 60 % of its control value."
    return Scenario("settlement trend", story, (NORTH_HILL,), (world,), 12_600.0, (yellow,))


def _air(
    name: str,
    story: str,
    seed: int,
    trouble: Trouble,
    must: tuple[Expected, ...] = (),
    may: tuple[str, ...] = (),
) -> Scenario:
    """Return two and a half hours of the proving ground's air and portal, from nine at night."""
    world = tunnel("gw-tunnel-delta", "proving", seed, trouble=trouble, logger=AIR_ONLY)
    return Scenario(
        name, story, (DELTA,), (world,), 2.5 * HOUR_S, must,
        tuple((f"{DELTA}/{channel}", Condition.HIGH) for channel in may),
        site="proving-tunnel",
    )  # fmt: skip


def _jam(share: float) -> Course:
    return swell(after(600.0), 600.0, 4_200.0, 900.0, share)


def jam_with_fans(seed: int) -> Scenario:
    """Return a jam that the fans are there for."""
    story = "Traffic crawls in more than half of the bore; the fans start, and keep the air fair."
    return _air("jam with fans", story, seed, Trouble(jam=_jam(0.55)))


def fan_failure(seed: int) -> Scenario:
    """Return a jam in which the fans do not start."""
    # Crawling engines alone need half an hour to foul the whole bore.
    must = Expected(
        f"{DELTA}/co-1", Condition.HIGH, Grade.YELLOW, 900.0, 4_200.0, most=Grade.RED, returns=True
    )
    story = "Traffic crawls in three quarters of the bore, and the fans do not start."
    trouble = Trouble(jam=_jam(0.75), fans=level(0.0))
    return _air("fan failure in a jam", story, seed, trouble, (must,), ("visibility",))


def smoke(seed: int) -> Scenario:
    """Return a vehicle that burns in the middle of the bore."""
    fire = swell(after(1_200.0), 240.0, 900.0, 600.0, 6.5)
    must = Expected(
        f"{DELTA}/visibility", Condition.HIGH, Grade.RED, 1_260.0, 1_860.0, returns=True
    )
    story = "A lorry smoulders in the middle of the bore; smoke is at the sensor within minutes."
    trouble = Trouble(smoke_m2_s=fire, fire_co_m3_s=times(0.0015, fire))
    return _air("smoke", story, seed, trouble, (must,), ("co-1",))


def _cloudburst() -> Course:
    return swell(after(900.0), 300.0, 1_200.0, 600.0, 70.0)


def portal_flood(seed: int) -> Scenario:
    """Return a cloudburst while the pumps have no power."""
    # 70 mm/h bring 0.16 m3/s: the sump is full after ten minutes, 25 cm stand after twenty more.
    must = Expected(f"{DELTA}/portal-water", Condition.HIGH, Grade.ORANGE, 1_500.0, 3_900.0)
    story = "Seventy millimetres an hour for half an hour, and the pumps have no power."
    trouble = Trouble(cloudburst_mm_h=_cloudburst(), pumps=level(0.0))
    return _air("portal flood", story, seed, trouble, (must,), ("portal-water/rise",))


def cloudburst_with_pumps(seed: int) -> Scenario:
    """Return the same rain with pumps that work."""
    story = "Seventy millimetres an hour for half an hour; the pumps keep the road dry."
    return _air("cloudburst with pumps", story, seed, Trouble(cloudburst_mm_h=_cloudburst()))


def _lining(
    name: str,
    story: str,
    seed: int,
    trouble: Trouble,
    must: tuple[Expected, ...] = (),
    may: tuple[str, ...] = (),
    days: float = 5.0,
) -> Scenario:
    """Return some days of the proving ground's lining, from midnight."""
    world = tunnel("gw-tunnel-cliff", "proving", seed, trouble=trouble, logger=LINING)
    return Scenario(
        name, story, (CLIFF,), (world,), days * DAY_S, must,
        tuple((f"{CLIFF}/{channel}", Condition.HIGH) for channel in may),
        begin_ns=MIDNIGHT_NS, site="proving-tunnel", tick_s=600.0,
    )  # fmt: skip


def adjacent_works(seed: int) -> Scenario:
    """Return a heading driven beneath ring 2."""
    # 15 mm in all, beneath after 3 days, 12 m a day past a trough of 12 m: 5 mm a day at its height,
    # more than 3 mm a day from 2.0 to 4.0 days, a day of which must pass. 12 mm stand after 3.6 days.
    works = Works(MIDNIGHT_NS + seconds_to_ns(3 * DAY_S), 15.0)
    must = (
        Expected(
            f"{CLIFF}/settlement-2/rate", Condition.HIGH, Grade.YELLOW, 2.5 * DAY_S, 4.2 * DAY_S
        ),
        Expected(f"{CLIFF}/settlement-2", Condition.HIGH, Grade.YELLOW, 3.1 * DAY_S, 4.3 * DAY_S),
    )
    story = "A heading is driven beneath ring 2: 15 mm in four days, by rate and in sum too much."
    return _lining("adjacent works", story, seed, Trouble(works=works), must, days=6.0)


def careful_works(seed: int) -> Scenario:
    """Return a heading that keeps what was agreed."""
    works = Works(MIDNIGHT_NS + seconds_to_ns(3 * DAY_S), 6.0)
    story = "The same heading, driven with care: 6 mm in all, at most 2 mm a day."
    return _lining("careful works", story, seed, Trouble(works=works), days=6.0)


def crack_growth(seed: int) -> Scenario:
    """Return a crack that grows against the season's closing of it."""
    moment_s = 2.5 * DAY_S
    growth = drift(MIDNIGHT_NS + seconds_to_ns(moment_s), 0.05, 2 * DAY_S)
    # 15 % of 0.3 mm is 0.045 mm: reached after 0.9 days; readings of 10 min, three of five.
    must = Expected(
        f"{CLIFF}/crack-1/residual", Condition.HIGH, Grade.YELLOW, moment_s + 0.5 * DAY_S,
        moment_s + 1.3 * DAY_S,
    )  # fmt: skip
    story = "A crack grows by 0.05 mm a day while warmth closes it: only the residual shows it."
    return _lining(
        "crack growth", story, seed, Trouble(crack_mm=growth), (must,), ("crack-1",), days=5.0
    )


def quiet_lining(seed: int) -> Scenario:
    """Return five days on which only the weather changes."""
    story = "Five days of weather: rings and crack breathe with the wall's temperature."
    return _lining("quiet lining", story, seed, CALM)


def evening(seed: int) -> Scenario:
    """Return an evening without trouble, and with a short queue."""
    queue = swell(once(BEGIN_NS + seconds_to_ns(1_800.0)), 120.0, 300.0, 200.0, 0.3)
    story = "An evening's traffic, with a queue of ten minutes."
    return _air("evening queue", story, seed, Trouble(jam=total(queue)))


SCENARIOS = (
    settlement_trend,
    jam_with_fans,
    fan_failure,
    smoke,
    portal_flood,
    cloudburst_with_pumps,
    adjacent_works,
    careful_works,
    crack_growth,
    quiet_lining,
    evening,
)
