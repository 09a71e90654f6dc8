"""The rows of the journal: whatever can change anything, in the order it came.

Every row has its own sequence number, a frame included; how many rows are appended or read
together is a matter of speed and never of meaning.
"""

from dataclasses import dataclass, field
from typing import Any

from domain.accounting import Reason


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it came: an MQTT publish, or an HTTP push.

    ``topic`` is the MQTT topic (an HTTP push is given the topic it stands for); ``received_ns``
    is when the service took it, by the service's clock; ``redelivered`` is MQTT's DUP flag.
    """

    topic: str
    payload: bytes
    received_ns: int
    redelivered: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A second has passed: the only way in which time passes without a message.

    ``elapsed_ns`` is the time since the tick before, as far as the service was there to listen:
    after a restart it does not count the time it was away.
    """

    now_ns: int
    elapsed_ns: int
    broker_connected: bool


@dataclass(frozen=True, slots=True)
class Command:
    """An operator's verb, with its target and author; ``command_id`` is unique.

    ``acknowledge`` and ``reset`` have the arguments ``alarm_id``, and ``comment`` where given;
    ``profile`` has ``profile``, ``scope``, ``reason`` and, where it is to end, ``until_ns``.
    """

    command_id: str
    verb: str
    arguments: dict[str, Any]
    author: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class CatalogueChange:
    """A catalogue revision becomes active."""

    revision: int
    now_ns: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Frames of one gateway that were refused before the journal, and why: only their number.

    ``gateway`` is empty for topics that are none of ours; ``bytes`` are of topics and payloads. One
    row stands for up to a second, or 256 frames of all gateways: so the books and the gateway's
    overload stay a function of the rows.
    """

    gateway: str
    reason: Reason
    frames: int
    bytes: int
    now_ns: int


Record = Frame | Tick | Command | CatalogueChange | Refusal


@dataclass(frozen=True, slots=True)
class Rows:
    """A run of consecutive journal rows: ``records[i]`` has the number ``first_seq + i``."""

    first_seq: int
    records: list[Record] = field(default_factory=list)

    @property
    def last_seq(self) -> int:
        """The number of the last row of the run."""
        return self.first_seq + len(self.records) - 1
