"""The scoreboard: every scenario at many seeds, judged whole, and what came of it.

Recall is the share of alarms that had to come and came in their window; precision the share of
alarms raised that had to come or could. Delay is from the beginning of the window, when the cause can
be known, to the grade that was wanted.
"""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import product
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from domain.alarm import Transition, TransitionKind
from domain.catalogue import Catalogue
from domain.grade import Condition, Grade
from domain.time import NS_PER_S
from service.offline import judge
from service.settings import ROOT
from simulators.scenarios import SCENARIOS, Expected, Scenario
from storage.catalogue.build import load_catalogue

RECALL_MIN = 1.0
PRECISION_MIN = 0.95

Key = tuple[str, Condition]


@dataclass(frozen=True, slots=True)
class Score:
    """What one scenario came to at one seed; the lists name what is wrong, for a person."""

    kind: str
    scenario: str
    seed: int
    expected: int
    raised: int
    delays_s: tuple[float, ...]
    missed: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()  # alarms that had no business to come
    faulty: tuple[str, ...] = ()  # alarms that came, and were too bad, stayed, or came twice
    shortfall: str = ""  # why, where it is known
    cost_s: float = 0.0  # of a processor

    @property
    def is_perfect(self) -> bool:
        """Whether nothing is wrong with it."""
        return not (self.missed or self.wrong or self.faulty)


@dataclass(slots=True)
class Played:
    """A scenario with the transitions it led to, by (channel, condition)."""

    scenario: Scenario
    found: dict[Key, list[Transition]] = field(default_factory=lambda: defaultdict(list))

    def reached_s(self, wanted: Expected) -> float | None:
        """Return when the alarm first had the grade wanted, in seconds after the beginning."""
        for transition in self.found.get((wanted.channel, wanted.condition), ()):
            if transition.alarm.grade >= wanted.grade:
                return (transition.time_ns - self.scenario.begin_ns) / NS_PER_S
        return None

    def unwanted(self) -> list[Transition]:
        """Return the raises that neither had to come nor could."""
        allowed = {(one.channel, one.condition) for one in self.scenario.must}
        allowed |= set(self.scenario.may)
        return [
            transition
            for key, transitions in self.found.items()
            if key not in allowed
            for transition in transitions
            if transition.kind is TransitionKind.RAISED
        ]

    def faults_of(self, wanted: Expected) -> list[str]:
        """Return what is wrong with an alarm that came."""
        transitions = self.found.get((wanted.channel, wanted.condition), [])
        if not transitions:
            return []
        last = transitions[-1].alarm
        kinds = Counter(one.kind for one in transitions)
        faults = []
        if last.peak_grade > wanted.most:
            faults.append(f"came to {last.peak_grade.word}, at most {wanted.most.word}")
        if wanted.returns and last.grade is not Grade.NORMAL:
            faults.append(f"is still {last.grade.word} at the end")
        if kinds[TransitionKind.RAISED] > 1:
            faults.append(f"was raised {kinds[TransitionKind.RAISED]} times")
        return [f"{wanted.channel} {wanted.condition.value} {fault}" for fault in faults]


def play(scenario: Scenario, whole: Catalogue) -> Played:
    """Judge a scenario as the live service would, each second's tick included."""
    played = Played(scenario)
    for transition in judge(scenario.catalogue(whole), scenario.messages(), tick_s=scenario.tick_s):
        alarm = transition.alarm
        played.found[alarm.channel, alarm.condition].append(transition)
    return played


def score(kind: str, seed: int, played: Played) -> Score:
    """Return what a played scenario came to."""
    scenario = played.scenario
    delays, missed, faulty = [], [], []
    for wanted in scenario.must:
        at_s = played.reached_s(wanted)
        if at_s is not None and wanted.first_s <= at_s <= wanted.last_s:
            delays.append(at_s - wanted.first_s)
        else:
            window = f"{wanted.first_s:g} to {wanted.last_s:g} s"
            came = "never" if at_s is None else f"at {at_s:.1f} s"
            name = f"{wanted.channel} {wanted.condition.value} {wanted.grade.word}"
            missed.append(f"{name}: wanted {window}, came {came}")
        faulty += played.faults_of(wanted)
    raises = [
        one
        for transitions in played.found.values()
        for one in transitions
        if one.kind is TransitionKind.RAISED
    ]
    return Score(
        kind,
        scenario.name,
        seed,
        len(scenario.must),
        len(raises),
        tuple(delays),
        tuple(missed),
        tuple(_told(one, scenario) for one in played.unwanted()),
        tuple(faulty),
        scenario.shortfall,
    )


def _told(raised: Transition, scenario: Scenario) -> str:
    alarm, at_s = raised.alarm, (raised.time_ns - scenario.begin_ns) / NS_PER_S
    return f"{alarm.channel} {alarm.condition.value} {alarm.grade.word} at {at_s:.1f} s"


@cache
def scenario_catalogue(site: str = "demo") -> Catalogue:
    """Return the catalogue of a site that scenarios play on, read once a process."""
    config = ROOT / "config"
    return load_catalogue([config / "sites" / f"{site}.yaml"], config / "templates")


def _score_one(which: tuple[int, int]) -> Score:
    number, seed = which
    build = SCENARIOS[number]
    kind = build.__module__.rpartition(".")[2]
    begun_s = time.process_time()
    scenario = build(seed)
    scored = score(kind, seed, play(scenario, scenario_catalogue(scenario.site)))
    return replace(scored, cost_s=round(time.process_time() - begun_s, 3))


def scores(seeds: Iterable[int], wanted: str = "", jobs: int | None = None) -> Iterator[Score]:
    """Yield the scores of every scenario whose function's name has ``wanted`` in it, as they come."""
    numbers = [n for n, build in enumerate(SCENARIOS) if wanted in build.__name__]
    with ProcessPoolExecutor(jobs or os.cpu_count()) as workers:
        yield from workers.map(_score_one, product(numbers, list(seeds)))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the board: several scores together."""

    name: str
    played: int
    perfect: int
    expected: int
    found: int
    raised: int
    wrong: int
    delay_median_s: float | None
    delay_worst_s: float | None
    cost_worst_s: float

    @property
    def recall(self) -> float:
        """The share of the alarms wanted that came; 1 where none was wanted."""
        return self.found / self.expected if self.expected else 1.0

    @property
    def precision(self) -> float:
        """The share of the alarms raised that were right; 1 where none was raised."""
        return 1.0 - self.wrong / self.raised if self.raised else 1.0


def line(name: str, several: Sequence[Score]) -> Line:
    """Return scores as one line."""
    delays = [delay for one in several for delay in one.delays_s]
    return Line(
        name,
        len(several),
        sum(one.is_perfect for one in several),
        sum(one.expected for one in several),
        len(delays),
        sum(one.raised for one in several),
        sum(len(one.wrong) for one in several),
        median(delays) if delays else None,
        max(delays, default=None),
        max((one.cost_s for one in several), default=0.0),
    )


def board(every: Sequence[Score]) -> tuple[list[Line], list[Line], Line]:
    """Return the lines by scenario, by kind, and of all."""
    by_scenario: dict[str, list[Score]] = defaultdict(list)
    by_kind: dict[str, list[Score]] = defaultdict(list)
    for one in every:
        by_scenario[one.scenario].append(one)
        by_kind[one.kind].append(one)
    return (
        [line(name, several) for name, several in by_scenario.items()],
        [line(name, several) for name, several in by_kind.items()],
        line("all", every),
    )


def document(every: Sequence[Score]) -> dict[str, Any]:
    """Return the whole board in plain values: all, by kind, by scenario, and what is wrong."""
    by_scenario, by_kind, total = board(every)
    return {
        "good": is_good(total),
        "all": _plain(total),
        "kinds": [_plain(one) for one in by_kind],
        "scenarios": [_plain(one) for one in by_scenario],
        "wrong": [
            {
                "scenario": one.scenario,
                "seed": one.seed,
                "missed": one.missed,
                "wrong": one.wrong,
                "faulty": one.faulty,
                "shortfall": one.shortfall,
            }
            for one in every
            if not one.is_perfect
        ],
    }


def _plain(one: Line) -> dict[str, Any]:
    return {**asdict(one), "recall": one.recall, "precision": one.precision}


def shortfalls(every: Sequence[Score]) -> list[str]:
    """Return the known reasons for what is wrong, each once, with how often it was."""
    often = Counter((one.scenario, one.shortfall) for one in every if not one.is_perfect)
    return [
        f"{scenario} ({count} times): {shortfall}"
        for (scenario, shortfall), count in often.items()
        if shortfall
    ]


def is_good(total: Line) -> bool:
    """Whether the whole board reaches what we promise."""
    return total.recall >= RECALL_MIN and total.precision >= PRECISION_MIN


def table(lines: Sequence[Line], title: str) -> Table:
    """Return lines for a terminal."""
    shown = Table(title=title, title_justify="left", box=SIMPLE)
    for heading in (
        "",
        "played",
        "perfect",
        "wanted",
        "recall",
        "raised",
        "precision",
        "delay (worst)",
        "cost",
    ):
        shown.add_column(heading, justify="left" if not heading else "right")
    for one in lines:
        delay = "–"
        if one.delay_median_s is not None and one.delay_worst_s is not None:
            delay = f"{one.delay_median_s:.1f} ({one.delay_worst_s:.1f}) s"
        shown.add_row(
            one.name,
            str(one.played),
            str(one.perfect),
            str(one.expected),
            f"{one.recall:.1%}",
            str(one.raised),
            f"{one.precision:.1%}",
            delay,
            f"{one.cost_worst_s:.1f} s",
        )
    return shown
