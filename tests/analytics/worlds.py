"""Small worlds for the core's tests: catalogues, rows of a journal, and ways of running them."""

import random
from collections import defaultdict
from dataclasses import replace

import numpy as np

from domain.catalogue import Catalogue, Channel, Checks, Feature, Gateway, Limit, Text
from domain.grade import FaultKind, Grade, Side
from domain.journal import Tick
from domain.readings import FLAG_FUTURE, Batch

S = 1_000_000_000
START = 1_700_000_000 * S
NAME = Text("", "")
GRADES = (Grade.BLUE, Grade.YELLOW, Grade.ORANGE, Grade.RED)


def channel(name, sample_interval_s=1.0, **fields):
    return Channel(name, "f", NAME, "q", sample_interval_s, **fields)


def measured(name="a", gateway="g", **fields):
    return channel(name, gateway=gateway, sent_as=name, **fields)


def derived(name, kind, *inputs, limits=(), sample_interval_s=1.0, on_change=False, **parameters):
    return channel(
        name,
        sample_interval_s,
        feature=Feature(kind, inputs, parameters),
        limits=limits,
        on_change=on_change,
    )


def fault(parent, kind, *limits, **fields):
    kind = FaultKind(kind)
    return channel(f"{parent}:{kind}", fault=kind, fault_of=parent, limits=limits, **fields)


def gateway_silence(gateway, *limits):
    return channel(
        f"gateway/{gateway}:silent", gateway=gateway, fault=FaultKind.SILENT, limits=limits
    )


def high(value, grade=Grade.RED, **fields):
    return Limit(grade, Side.HIGH, value, **fields)


def low(value, grade=Grade.RED, **fields):
    return Limit(grade, Side.LOW, value, **fields)


def catalogue(*channels, revision=1, upload_interval_s=0.0, gateways=("g",)):
    return Catalogue(
        revision,
        gateways=tuple(
            Gateway(g, "d", NAME, "f", upload_interval_s=upload_interval_s) for g in gateways
        ),
        channels=channels,
    )


def batch(rows, heard=(), status=()):
    """Readings as (seq, channel index, time ns, value, received ns, flags)."""
    columns = list(zip(*rows, strict=True)) or [()] * 6
    kinds = (np.int64, np.int32, np.int64, np.float64, np.int64, np.uint8)
    arrays = [np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return Batch(*arrays, list(heard), list(status))


def feed(core, points, index=0, seq=1):
    """Step ``core`` with (seconds after START, value) of one channel; return what it judged."""
    times = [START + round(s * S) for s, _ in points]
    rows = [
        (seq + i, index, t, v, t, 0)
        for i, (t, (_, v)) in enumerate(zip(times, points, strict=True))
    ]
    return core.step(batch(rows, heard=[0]))


def ticks(core, count, start_s=0.0, elapsed_s=1.0, connected=True):
    changes = []
    for k in range(count):
        now_ns = START + round((start_s + (k + 1) * elapsed_s) * S)
        tick = Tick(now_ns, round(elapsed_s * S), connected)
        changes += core.tick(10_000 + k, tick).changes
    return changes


def brief(changes):
    """Changes as (seconds after START, side, previous, grade, limit)."""
    return [
        ((c.time_ns - START) / S, c.side.name, c.previous.word, c.grade.word, c.limit)
        for c in changes
    ]


def random_limits(rng, scale=1.0):
    limits = []
    for side, sign in ((Side.HIGH, 1), (Side.LOW, -1)):
        if rng.random() < 0.35:
            continue
        for grade in rng.sample(GRADES, rng.randint(1, 3)):
            m = rng.choice((1, 1, 1, 3, 5, 64))
            limits.append(
                Limit(
                    grade,
                    side,
                    sign * scale * (int(grade) + rng.randint(0, 1)),
                    deadband=scale * rng.choice((0, 0, 0.5, 1)),
                    on_delay_s=rng.choice((0, 0, 1, 2.5)),
                    off_delay_s=rng.choice((0, 0, 1, 2.5)),
                    n=rng.randint(1, min(m, 4)),
                    m=m,
                )
            )
    return tuple(limits)


def random_checks(rng):
    return Checks(
        fail_low=rng.choice((None, -7)),
        fail_high=rng.choice((None, 7)),
        suspect_low=rng.choice((None, -5)),
        suspect_high=rng.choice((None, 5)),
        spike=rng.choice((None, 0, 3)),
        rate_per_s=rng.choice((None, 2, 5)),
        flat_s=rng.choice((None, 0.5, 3)),
        flat_tolerance=rng.choice((0, 0.5, 1)),
    )


def random_feature(rng, sources):
    a, b = rng.choice(sources), rng.choice(sources)
    return rng.choice(
        (
            Feature("scale", (a,), {"factor": rng.choice((-1, 2)), "offset": rng.choice((0, 0.1))}),
            Feature("rate", (a,), {"window_s": rng.choice((2, 5))}),
            Feature(
                "rolling",
                (a,),
                {
                    "window_s": rng.choice((2, 6)),
                    "step_s": rng.choice((0.5, 2)),
                    "statistic": rng.choice(("mean", "min", "max", "rms", "sum")),
                },
            ),
            Feature("difference", (a, b), {"scale": rng.choice((1, 0.3)), "age_s_max": 3}),
            Feature("background", (a,), {"window_s": 8, "step_s": 1, "percentile": 25}),
            Feature("code", (a,), {"codes": {"1": "blue", "3": "red"}, "default": "yellow"}),
        )
    )


def random_catalogue(rng, revision=1):
    gateways = tuple(
        Gateway(g, "d", NAME, "f", upload_interval_s=rng.choice((0.0, 2.0))) for g in ("g", "h")
    )
    channels = [
        measured(
            f"m{k}",
            gateway=rng.choice(("g", "h")),
            sample_interval_s=rng.choice((0.02, 0.5, 1.0)),
            checks=random_checks(rng) if rng.random() < 0.8 else Checks(),
            limits=random_limits(rng),
            on_change=rng.random() < 0.25,
        )
        for k in range(4)
    ]
    for k in range(rng.randint(1, 5)):
        feature = random_feature(rng, [c.id for c in channels])
        channels.append(
            replace(
                derived(f"d{k}", "scale", "m0", limits=random_limits(rng)),
                feature=feature,
                on_change=rng.random() < 0.2,
                checks=random_checks(rng) if rng.random() < 0.3 else Checks(),
            )
        )
    for parent in list(channels):
        for kind in FaultKind:
            if rng.random() < 0.5 and not (parent.feature and kind is FaultKind.CLOCK):
                scale = 0.05 if kind is FaultKind.NOISE else 1.0
                limits = random_limits(rng, scale)
                on_change = kind is not FaultKind.SILENT and parent.on_change
                channels.append(fault(parent.id, kind, *limits, on_change=on_change))
    channels.append(gateway_silence("g", high(2)))
    rng.shuffle(channels)
    return Catalogue(revision, gateways=gateways, channels=tuple(channels))


def random_rows(rng, of, count=150):
    """Rows of a journal: ``("frame", readings, heard, status)`` and ``("tick", tick)``."""
    rows, now = [], START
    at = [i for i, c in enumerate(of.channels) if c.sent_as is not None]
    clock = dict.fromkeys(at, START)
    value = dict.fromkeys(at, 0.0)
    shift = dict.fromkeys(at, 0)
    for seq in range(1, count + 1):
        now += rng.choice((0, S // 50, S // 5, S, S))
        if rng.random() < 0.2:
            rows.append(("tick", seq, Tick(now, rng.choice((S, S, 3 * S)), rng.random() < 0.9)))
            continue
        index = rng.choice(at)
        place = of.gateway_index[of.channels[index].gateway]
        readings = []
        for _ in range(rng.choice((1, 1, 2, 8))):
            index = rng.choice([i for i in at if of.channels[i].gateway == of.gateways[place].id])
            readings.append(_random_reading(rng, seq, index, now, clock, value, shift))
        readings.sort(key=lambda reading: reading[2])
        status = [(place, rng.random() < 0.5)] if rng.random() < 0.05 else []
        rows.append(("frame", seq, readings, [place], status))
    return rows


def _random_reading(rng, seq, index, now, clock, value, shift):
    kind = rng.random()
    if rng.random() < 0.01:
        shift[index] = rng.choice((0, -40 * S))  # somebody set the clock
    if rng.random() > 0.3:
        value[index] = rng.choice((0, 0, 0.25, 1, -1, 2, 3, -3, 4, 6, -6, 8, value[index] + 0.25))
    if kind < 0.08:
        return (seq, index, now + 600 * S, value[index], now, FLAG_FUTURE)
    if kind < 0.2:
        late = clock[index] - rng.choice((0, 0, S, 5 * S))
        return (seq, index, late, value[index], now, 0)
    clock[index] = max(clock[index] + rng.choice((1, S // 50, S // 2, S)), now - S)
    if kind > 0.97:
        clock[index] += 5 * S
    return (seq, index, clock[index] + shift[index], value[index], now, 0)


def run(core, rows, cuts=(), between=lambda core: core):
    """Run ``rows``, the frames between two cuts in one step; return all that came out.

    ``between`` is called at each cut and may hand back another core to go on with.
    """
    changes, series, counts = [], defaultdict(list), np.zeros(3, np.int64)

    def take(judged):
        changes.extend(judged.changes)
        readings = judged.readings
        names = [readings.channel_ids[i] for i in readings.channel.tolist()]
        columns = (readings.time_ns.tolist(), readings.value.tolist(), readings.quality.tolist())
        for name, *reading in zip(names, *columns, strict=True):
            series[name].append(tuple(reading))
        counts[:] += [judged.stored.sum(), judged.late.sum(), judged.future.sum()]

    frames = []

    def step():
        if frames:
            readings = [reading for frame in frames for reading in frame[2]]
            heard = [g for frame in frames for g in frame[3]]
            status = [word for frame in frames for word in frame[4]]
            take(core.step(batch(readings, heard, status)))
            frames.clear()

    for place, row in enumerate(rows):
        if row[0] == "tick":
            step()
            take(core.tick(row[1], row[2]))
        else:
            frames.append(row)
        if place in cuts:
            step()
            core = between(core)
    step()
    return changes, dict(series), counts.tolist(), core


def assert_same(one, other):
    """Assert that two runs gave the same, to the bit."""
    assert repr(one[0]) == repr(other[0])
    assert one[1:3] == other[1:3]
    names = list(one[3]._house.catalogue.channel_ids)
    assert repr(one[3].latest(names)) == repr(other[3].latest(names))


def random_cuts(rng, count):
    share = rng.choice((0.02, 0.05, 0.2))
    return {place for place in range(count) if rng.random() < share}


def make_world(seed, count=150):
    rng = random.Random(seed)
    of = random_catalogue(rng)
    return of, random_rows(rng, of, count)
