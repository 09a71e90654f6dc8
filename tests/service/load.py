"""A small city under a seeded load, for tests that stop the service in the middle of it.

What becomes of the load is a function of its bytes alone, whenever and in whatever portions they
arrive. So silence, which is counted in ticks of the wall's clock, cannot arise (its faults are off for
channels, and gateways are expected once an hour); every reading has a time of its own; and late
readings come one by one, since only a run of them can restart a watermark. The one exception is the
clock fault, whose event time is the time of arrival: see ``told``.
"""

import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from domain.accounting import Account, Fate, Reason, Unit
from domain.alarm import TransitionKind
from domain.catalogue import Catalogue
from domain.grade import Condition
from domain.journal import CatalogueChange, Frame, Rows
from domain.time import NS_PER_MS, NS_PER_S
from service.evaluator import Evaluator
from service.importing import feature_faults
from service.settings import ROOT
from simulators.feed import Message
from simulators.payload import encode_block, encode_json
from storage.catalogue.build import load_catalogue

GATEWAYS = ("gw-a", "gw-b", "gw-c")
OPERATED = tuple(f"operated-{number:02}" for number in range(40))
STEP_NS = 250 * NS_PER_MS
WAVE_INTERVAL_NS = 10 * NS_PER_MS
NAME = {"zh": "测", "en": "Test"}

TEMPLATE = {
    "kind": {"id": "bridge", "name": NAME},
    "quantities": {
        "level": {
            "name": NAME,
            "unit": "1",
            "symbol": {"zh": "", "en": ""},
            "sample_interval_s": STEP_NS / NS_PER_S,
            "source": "test",
            "faults": {"silent": "off"},
        }
    },
}


def graded(side, *values, **more):
    grades = ("blue", "yellow", "orange", "red")[-len(values) :]
    return [
        {"grade": grade, side: value, **more} for grade, value in zip(grades, values, strict=True)
    ]


# One channel for each way in which limits, features and faults remember what came before.
MEASURED = {
    "plain": {
        "limits": graded("high", 10, 20, 30, 40, deadband=1)
        + graded("low", -10, -20, -30, -40, deadband=1)
    },
    "slow": {"limits": graded("high", 10, 20, deadband=2, on_delay_s=1, off_delay_s=1.5)},
    "counted": {"limits": graded("high", 10, 25, n=3, m=5)},
    "latched": {"limits": graded("high", 20, deadband=5), "latching": True},
    "ranged": {"checks": {"fail_low": -25, "fail_high": 25}},
    "stuck": {"checks": {"flat_s": 1}},
    "noisy": {"checks": {"spike": 4}},
    "clock": {"limits": graded("high", 30)},
    "wave": {
        "limits": graded("high", 24, 32, deadband=10),
        "sample_interval_s": WAVE_INTERVAL_NS / NS_PER_S,
    },
}
DERIVED = {
    "mean": {
        "feature": {
            "kind": "rolling", "inputs": ["plain"], "window_s": 10, "step_s": 1, "statistic": "mean",
        },
        "limits": graded("high", 8, 16, deadband=1) + graded("low", -8, deadband=1),
    },
    "rate": {
        "feature": {"kind": "rate", "inputs": ["slow"], "window_s": 3},
        "limits": graded("high", 4, 8, deadband=1, on_delay_s=0.5),
    },
    "gap": {
        "feature": {"kind": "difference", "inputs": ["plain", "slow"]},
        "limits": graded("high", 20, 35, deadband=1),
    },
}  # fmt: skip


def facility(gateway):
    channels = [
        {"id": name, "quantity": "level", "gateway": gateway, "sent_as": name, **more}
        for name, more in MEASURED.items()
    ]
    channels += [{"id": name, "quantity": "level", **more} for name, more in DERIVED.items()]
    if gateway == GATEWAYS[0]:
        channels += [
            {
                "id": name, "quantity": "level", "gateway": gateway, "sent_as": name,
                "limits": graded("high", 1),
            }
            for name in OPERATED
        ]  # fmt: skip
    return {
        "id": f"bridge/{gateway}",
        "kind": "bridge",
        "name": NAME,
        "district": "north",
        "location": [121.47, 31.23],
        "channels": channels,
    }


def write_site(folder):
    """Write the city's catalogue and its templates; return (file, folder of templates)."""
    templates = folder / "templates"
    templates.mkdir(parents=True)
    shutil.copy(ROOT / "config" / "templates" / "faults.yaml", templates)
    (templates / "bridge.yaml").write_text(yaml.safe_dump(TEMPLATE), encoding="utf-8")
    document = {
        "name": NAME,
        "gateways": [
            {
                "id": gateway, "district": "north", "facility": f"bridge/{gateway}", "name": NAME,
                "zone": "UTC", "upload_interval_s": 3600,
            }
            for gateway in GATEWAYS
        ],
        "facilities": [facility(gateway) for gateway in GATEWAYS],
    }  # fmt: skip
    file = folder / "city.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return file, templates


def city(folder: Path) -> Catalogue:
    file, templates = write_site(folder)
    return load_catalogue([file], templates, feature_faults=feature_faults)


@dataclass
class Load:
    """Messages in the order published, and every reading in them that is to be archived."""

    messages: list[Message] = field(default_factory=list)
    readings: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    future: Counter[str] = field(default_factory=Counter)
    unregistered: Counter[str] = field(default_factory=Counter)
    undecodable: Counter[str] = field(default_factory=Counter)


class _Sender:
    """One gateway's course: every channel wanders and now and then leaves its bounds."""

    def __init__(self, load, gateway, rng, start_ns):
        self.load, self.gateway, self.rng, self.start_ns = load, gateway, rng, start_ns
        self.level = dict.fromkeys(MEASURED, 0.0)
        self.gathered = []
        self.gather = 0

    def send(self, time_ns, wire_format, payload):
        self.load.messages.append(Message(time_ns, self.gateway, "north", wire_format, payload))

    def keep(self, time_ns, values):
        for name, value in values.items():
            self.load.readings[f"bridge/{self.gateway}/{name}"][time_ns] = float(value)

    def step(self, number, steps):
        time_ns = self.start_ns + number * STEP_NS
        values = self.values(number, steps)
        self.keep(time_ns, values)
        self.gathered.append((time_ns, values))
        if len(self.gathered) > self.gather:
            self.send(time_ns, "json", encode_json(self.gathered))
            self.gathered, self.gather = [], int(self.rng.choice([0, 0, 0, 4]))
            self.oddity(time_ns)
        if number % 4 == 3:
            self.wave(time_ns)

    def values(self, number, steps):
        values = {}
        for name in MEASURED:
            if name == "wave":
                continue
            self.level[name] = 0.96 * self.level[name] + self.rng.normal(0, 3)
            values[name] = round(self.level[name], 3)
        spikes = (number // 60) % 2 == 1 and number % 3 == 0
        values["noisy"] = round((50 if spikes else 1) * self.rng.random(), 3)
        if (number // 8) % 3 == 0:
            values["stuck"] = 7.0  # the same for two seconds
        if self.gateway == GATEWAYS[0]:
            due = number * len(OPERATED) // steps
            values |= {name: float(at <= due) for at, name in enumerate(OPERATED)}
        return values

    def oddity(self, time_ns):
        """Send, now and then, what is late, of the future, of nobody, or nonsense."""
        kind = self.rng.random()
        if kind < 0.04:
            late_ns = time_ns - STEP_NS // 2
            value = {"plain": 99.0}
            self.keep(late_ns, value)
            self.send(time_ns, "json", encode_json([(late_ns, value)]))
        elif kind < 0.06:
            ahead_ns = time_ns + 86_400 * NS_PER_S
            value = {"clock": round(20 + 20 * self.rng.random(), 3)}
            self.load.future[self.gateway] += 1
            self.send(time_ns, "json", encode_json([(ahead_ns, value)]))
        elif kind < 0.08:
            self.load.unregistered[self.gateway] += 1
            self.send(time_ns, "json", encode_json([(time_ns, {"nobody": 1.0})]))
        elif kind < 0.10:
            self.load.undecodable[self.gateway] += 1
            self.send(time_ns, "json", b'{"ts": %d, "values": {' % time_ns)

    def wave(self, time_ns):
        count = 4 * STEP_NS // WAVE_INTERVAL_NS
        values = self.rng.normal(0, 8, count).astype(np.float32)
        first_ns = time_ns - (count - 1) * WAVE_INTERVAL_NS
        for place, value in enumerate(values.tolist()):
            self.keep(first_ns + place * WAVE_INTERVAL_NS, {"wave": value})
        self.send(time_ns, "block", encode_block("wave", first_ns, WAVE_INTERVAL_NS, values))


def make_load(seed, start_ns, steps):
    load = Load()
    rng = np.random.default_rng(seed)
    senders = [_Sender(load, gateway, rng, start_ns) for gateway in GATEWAYS]
    for number in range(steps):
        for sender in senders:
            sender.step(number, steps)
    for sender in senders:
        if sender.gathered:
            sender.send(sender.gathered[-1][0], "json", encode_json(sender.gathered))
    return load


def frames_of(load):
    return [Frame(m.topic, m.payload, m.time_ns) for m in load.messages]


def rows_of(load, size=500):
    """Return the load as journal rows, behind the row that makes revision 1 active."""
    records = [CatalogueChange(1, load.messages[0].time_ns), *frames_of(load)]
    return [Rows(1 + at, records[at : at + size]) for at in range(0, len(records), size)]


@dataclass
class Judgement:
    """What an undisturbed evaluator makes of the load."""

    transitions: list = field(default_factory=list)
    notices: list = field(default_factory=list)
    archived: dict = field(default_factory=lambda: defaultdict(dict))
    accounts: Counter = field(default_factory=Counter)

    def take(self, step):
        self.transitions += step.transitions
        self.notices += step.notices
        self.accounts.update(step.accounts)
        for readings in step.readings:
            add_archived(self.archived, readings)


def add_archived(archived, readings):
    columns = (readings.channel, readings.time_ns, readings.value, readings.quality)
    for channel, time_ns, value, quality in zip(*(c.tolist() for c in columns), strict=True):
        archived[readings.channel_ids[channel]][time_ns] = (value, quality)


def judge_undisturbed(catalogue, load):
    evaluator, judgement = Evaluator(lambda _revision: catalogue), Judgement()
    for rows in rows_of(load):
        judgement.take(evaluator.step(rows))
    return judgement


def told(transitions):
    """Return what the judgement says of each alarm place, in order, without ids and rows.

    A person's acts are left out: they are the test's own. Those of the operated channels change
    nothing else, because their alarms never return. Nor are the times of a clock fault compared,
    which are times of arrival.
    """
    places = defaultdict(list)
    for transition in transitions:
        alarm = transition.alarm
        if transition.kind is TransitionKind.ACKNOWLEDGED:
            continue
        by_arrival = alarm.condition is Condition.CLOCK
        places[alarm.channel, alarm.condition].append(
            (
                transition.kind,
                transition.previous_grade,
                alarm.grade,
                alarm.peak_grade,
                None if by_arrival else transition.time_ns,
                alarm.value,
                alarm.limit,
            )
        )
    return dict(places)


def without_duplicates(accounts):
    """Return the books as they are where no frame comes twice."""
    kept = Counter(accounts)
    for account, count in accounts.items():
        if account.fate is Fate.DUPLICATE:
            del kept[account]
            kept[Account(account.gateway, Unit.FRAMES, Fate.RECEIVED, Reason.NONE)] -= count
    return kept
