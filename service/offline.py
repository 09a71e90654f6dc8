"""The same judgement without a service: for scenarios, backtests and tests."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from domain.alarm import Transition
from domain.catalogue import Catalogue
from domain.journal import CatalogueChange, Frame, Record, Rows, Tick
from domain.time import seconds_to_ns
from service.evaluator import Evaluator

ROWS_PER_STEP = 1_000


class Message(Protocol):
    """A published message, as simulators and recordings make them."""

    @property
    def time_ns(self) -> int:
        """When it is published."""
        ...

    @property
    def topic(self) -> str:
        """Its MQTT topic."""
        ...

    @property
    def payload(self) -> bytes:
        """Its payload."""
        ...


def judge(
    catalogue: Catalogue, messages: Iterable[Message], *, ticks: bool = True, tick_s: float = 1.0
) -> list[Transition]:
    """Return the transitions that ``messages`` (in the order published) lead to.

    Each is taken as received when it was published. With ``ticks`` a tick stands each ``tick_s``
    between them: a second, as the live service would have it, or longer where days are played.
    """
    evaluator = Evaluator(lambda _revision: catalogue)
    records = _records(catalogue.revision, messages, seconds_to_ns(tick_s) if ticks else 0)
    return [
        transition for rows in _grouped(records) for transition in evaluator.step(rows).transitions
    ]


def _records(revision: int, messages: Iterable[Message], step_ns: int) -> Iterator[Record]:
    now_ns = 0
    for message in messages:
        if now_ns == 0:
            now_ns = message.time_ns
            yield CatalogueChange(revision, now_ns)
        while step_ns and now_ns + step_ns <= message.time_ns:
            now_ns += step_ns
            yield Tick(now_ns, step_ns, broker_connected=True)
        yield Frame(message.topic, message.payload, message.time_ns)


def _grouped(records: Iterator[Record]) -> Iterator[Rows]:
    seq, group = 1, list[Record]()
    for record in records:
        group.append(record)
        if len(group) == ROWS_PER_STEP:
            yield Rows(seq, group)
            seq, group = seq + len(group), []
    if group:
        yield Rows(seq, group)
