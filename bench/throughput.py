"""Broker → service → archive, as fast as it goes; and the broker alone, as its ceiling."""

import os
import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from bench.bed import Bed, cpu_s, machine_cpu_s, running_broker
from bench.city import Blocks, Load
from bench.wire import Sender, Subscriber


@dataclass(frozen=True, slots=True)
class Passage:
    """One load's way through the service; rates are of messages a second."""

    readings: int
    archived_s: float  # from the first publish until nothing was pending
    sent_per_s: float
    settled_per_s: float
    archived_per_s: float
    service_us: float  # processor time of the service a message
    service_cores: float  # processor time used a second
    broker_cores: float
    others_cores: float  # by everything on the machine that is not ours


def measure_passages(bed: Bed, load: Load | Blocks, runs: int) -> list[Passage]:
    """Send a load several times, each with later event times, and see each into the archive."""
    passages = []
    for _ in range(runs):
        passages.append(_measure(bed, load))
        load = replace(load, first_ns=load.end_ns)
    return passages


def median_of(passages: list[Passage]) -> Passage:
    return sorted(passages, key=lambda p: p.archived_s)[len(passages) // 2]


def _measure(bed: Bed, load: Load | Blocks) -> Passage:
    sender = Sender(bed.mqtt_port, load.payloads)
    try:
        sender.ready()
        frames = bed.books().get("frames", 0)
        stored = bed.books().get("stored", 0)
        rows = bed.metric("lifeline_journal_last_row")
        before = _Spent.now(bed)
        sender.start()
        settled_s = bed.until_journaled(rows + load.messages)
        archived_s = bed.until_archived(frames + load.messages)
        sent = sender.result()
    finally:
        sender.stop()
    arrived = bed.books().get("stored", 0) - stored
    if arrived != load.readings:
        raise RuntimeError(f"{load.readings} readings sent, {arrived} stored")
    took_s = archived_s - sent.first_s
    spent = _Spent.now(bed).since(before)
    return Passage(
        readings=load.readings,
        archived_s=took_s,
        sent_per_s=load.messages / (sent.last_s - sent.first_s),
        settled_per_s=load.messages / (settled_s - sent.first_s),
        archived_per_s=load.messages / took_s,
        service_us=spent.service_s * 1e6 / load.messages,
        service_cores=spent.service_s / took_s,
        broker_cores=spent.broker_s / took_s,
        others_cores=max(0.0, spent.machine_s - spent.ours_s) / took_s,
    )


@dataclass(frozen=True, slots=True)
class _Spent:
    """Processor time in seconds: of the service, the broker, all of ours, the whole machine."""

    service_s: float
    broker_s: float
    ours_s: float
    machine_s: float

    @classmethod
    def now(cls, bed: Bed) -> "_Spent":
        service_s, broker_s = cpu_s(bed.service), cpu_s(bed.broker)
        own = os.times()  # with the senders that have ended
        ours_s = service_s + broker_s + sum(own[:4])
        return cls(service_s, broker_s, ours_s, machine_cpu_s())

    def since(self, before: "_Spent") -> "_Spent":
        return _Spent(
            self.service_s - before.service_s,
            self.broker_s - before.broker_s,
            self.ours_s - before.ours_s,
            self.machine_s - before.machine_s,
        )


def measure_broker_alone(load: Load, runs: int = 3) -> float:
    """Return the messages a second of mosquitto with a subscriber that settles at once."""
    with (
        tempfile.TemporaryDirectory(prefix="lifeline-bench-") as folder,
        running_broker(Path(folder) / "broker") as (_child, port),
    ):
        return statistics.median(_pass_broker(port, load) for _ in range(runs))


def _pass_broker(port: int, load: Load) -> float:
    sender = Sender(port, load.payloads)
    try:
        sender.ready()
        subscriber = Subscriber(port, load.messages)
        subscriber.start()
        sender.start()
        sent = sender.result()
        subscriber.join(60)
    finally:
        sender.stop()
    return load.messages / (subscriber.last_s - sent.first_s)
