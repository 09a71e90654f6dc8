"""What one step of the assembler gathers: readings, counts, and what is shown of the refused."""

from collections import Counter
from dataclasses import dataclass, field

from domain.accounting import Account, Fate, Ingested, Reason, Reject, Sighting, Unit
from domain.journal import Frame
from domain.time import NS_PER_S
from ingest.columns import Columns
from ingest.wire import Refusal

LISTED_PER_S = 100
"""Entries of the quarantine within a second of received time, each gateway; all that is refused is
counted, but a flood of nonsense must not keep the state database from its work."""
LISTED_PER_S_IN_ALL = 1_000

_EXCERPT_BYTES = 256
_TOPIC_LENGTH_SHOWN = 512


@dataclass(slots=True)
class Seen:
    """An unregistered name within one step."""

    district: str
    count: int
    first_seen_ns: int
    last_seen_ns: int
    last_time_ns: int
    last_value: float


@dataclass(slots=True)
class Listed:
    """How many entries of the quarantine were made within one second of received time."""

    second: int = 0
    by_gateway: Counter[str] = field(default_factory=Counter)
    total: int = 0

    def has_room(self, reject: Reject) -> bool:
        """Count an entry; return False where its second has too many already."""
        second = reject.received_ns // NS_PER_S
        if second != self.second:
            self.second, self.by_gateway, self.total = second, Counter(), 0
        if self.total >= LISTED_PER_S_IN_ALL or self.by_gateway[reject.gateway] >= LISTED_PER_S:
            return False
        self.by_gateway[reject.gateway] += 1
        self.total += 1
        return True


class Step:
    """What one step gathers."""

    def __init__(self) -> None:
        self.columns = Columns()
        self.heard: dict[int, None] = {}
        self.status: list[tuple[int, bool]] = []
        self.received: Counter[str] = Counter()
        self.decoded: Counter[str] = Counter()
        self.readings: Counter[str] = Counter()
        self.books: Counter[tuple[str, Unit, Fate, Reason]] = Counter()
        self.rejects: list[Reject] = []
        self.seen: dict[tuple[str, str], Seen] = {}

    def refuse_frame(self, seq: int, frame: Frame, gateway: str, refusal: Refusal) -> None:
        """Count a frame as undecodable and keep an entry of it."""
        self.books[gateway, Unit.FRAMES, Fate.UNDECODABLE, refusal.reason] += 1
        self.rejects.append(reject_of(seq, frame, gateway, Fate.UNDECODABLE, refusal))


def reject_of(seq: int, frame: Frame, gateway: str, fate: Fate, refusal: Refusal) -> Reject:
    """Return the quarantine's entry of a refusal."""
    return Reject(
        seq=seq,
        gateway=gateway,
        topic=frame.topic[:_TOPIC_LENGTH_SHOWN],
        received_ns=frame.received_ns,
        unit=Unit.FRAMES if fate is Fate.UNDECODABLE else Unit.READINGS,
        fate=fate,
        reason=refusal.reason,
        detail=refusal.detail,
        channel_name=refusal.channel_name,
        excerpt=bytes(frame.payload[:_EXCERPT_BYTES]),
        count=refusal.count,
    )


def close(step: Step) -> Ingested:
    """Return the books of a step."""
    ingested = Ingested(rejects=step.rejects)
    for counts, unit, fate in (
        (step.received, Unit.FRAMES, Fate.RECEIVED),
        (step.decoded, Unit.FRAMES, Fate.DECODED),
        (step.readings, Unit.READINGS, Fate.RECEIVED),
    ):
        for gateway, count in counts.items():
            if count:
                ingested.accounts[Account(gateway, unit, fate)] = count
    for (gateway, unit, fate, reason), count in step.books.items():
        ingested.accounts[Account(gateway, unit, fate, reason)] = count
    ingested.sightings = [
        Sighting(
            gateway, seen.district, name, seen.count, seen.first_seen_ns,
            seen.last_seen_ns, seen.last_time_ns, seen.last_value,
        )
        for (gateway, name), seen in step.seen.items()
    ]  # fmt: skip
    return ingested
