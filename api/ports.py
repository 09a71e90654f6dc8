"""What the interface needs from the rest of the house; ``service/app.py`` hands over the real objects."""

# ruff: noqa: D102  protocols of plain data say what their fields mean in one place

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from prometheus_client import CollectorRegistry

from api.backup_ports import Backups
from api.fan import WriteToAll, one_by_one
from api.ports_catalogue import ProfileLog, Revisions
from api.rows import WriteRows, row_by_row
from domain.accounting import Accounts, Reject
from domain.alarm import Alarm, CommandResult, Notice, Transition
from domain.catalogue import Catalogue, Channel, Text
from domain.grade import Condition, Grade
from domain.profiles import ActiveProfile
from domain.readings import Float64s, Int64s, Latest, UInt8s

T_co = TypeVar("T_co", covariant=True)


class Refused(Exception):  # noqa: N818  a decision, not a defect
    """A request that the house refuses: ``status`` is HTTP's, ``remedy`` what to do about it."""

    def __init__(
        self, status: int, problem: str, remedy: str = "", *, retry_after_s: int = 0
    ) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem
        self.remedy = remedy
        self.retry_after_s = retry_after_s


class Page(Protocol[T_co]):
    """A part of a list; ``next`` is the cursor of the part after it, ``None`` at the end."""

    @property
    def items(self) -> Sequence[T_co]: ...
    @property
    def next(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """Which alarms; ``None`` leaves a filter out.

    ``state``: ``all``, ``open``, ``ended``, ``active`` (open and out of bounds now) or
    ``unacknowledged`` (open and not yet seen). ``grades``: the worst grade so far is among them, or,
    for an open alarm, the grade now; empty leaves them out. ``since_ns``: something happened to it
    at this time or later.
    """

    state: str = "all"
    grades: frozenset[Grade] = frozenset()
    facility_kind: str | None = None
    facility: str | None = None
    channel: str | None = None
    condition: Condition | None = None
    instrument: bool | None = None
    since_ns: int | None = None
    cursor: str | None = None
    limit: int = 100


class GatewayStatus(Protocol):
    """What is known of a gateway's presence; ``online`` is its own word, ``None`` before any."""

    @property
    def gateway(self) -> str: ...
    @property
    def online(self) -> bool | None: ...
    @property
    def last_heard_ns(self) -> int: ...
    @property
    def since_ns(self) -> int: ...


class Inboxed(Protocol):
    """A name that the catalogue does not know, with what was seen of it."""

    @property
    def gateway(self) -> str: ...
    @property
    def channel_name(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def first_seen_ns(self) -> int: ...
    @property
    def last_seen_ns(self) -> int: ...
    @property
    def last_time_ns(self) -> int: ...
    @property
    def last_value(self) -> float: ...


class Store(Protocol):
    """The alarms and the books, as committed. A cursor it cannot read raises ``ValueError``."""

    async def alarms(self, wanted: AlarmFilter, /) -> Page[Alarm]:
        """Return alarms, raised last first."""

    async def alarm(self, alarm_id: str) -> Alarm | None:
        """Return one alarm."""

    async def alarm_transitions(self, alarm_id: str) -> Sequence[tuple[int, Transition]]:
        """Return the numbered transitions of an alarm in their order, with evidence."""

    async def transitions(self, after: int, limit: int) -> Sequence[tuple[int, Transition]]:
        """Return up to ``limit`` transitions with a number above ``after``, ascending."""

    async def accounts(self) -> Accounts:
        """Return the books of all gateways."""

    async def quarantine(self, gateway: str | None, cursor: str | None, limit: int) -> Page[Reject]:
        """Return what was refused, newest first."""

    async def unregistered(self, cursor: str | None, limit: int) -> Page[Inboxed]:
        """Return the inbox of unknown names."""

    async def gateways(self) -> Sequence[GatewayStatus]:
        """Return the presence of every gateway that was ever heard."""


class Series(Protocol):
    """Readings of one channel, ascending in time; columns of one length."""

    @property
    def time_ns(self) -> Int64s: ...
    @property
    def value(self) -> Float64s: ...
    @property
    def quality(self) -> UInt8s: ...


class Buckets(Protocol):
    """Aggregates of one channel, ascending in time; empty buckets are left out."""

    @property
    def start_ns(self) -> Int64s: ...
    @property
    def count(self) -> Int64s: ...
    @property
    def min(self) -> Float64s: ...
    @property
    def max(self) -> Float64s: ...
    @property
    def mean(self) -> Float64s: ...
    @property
    def last(self) -> Float64s: ...


class Archive(Protocol):
    """The kept readings; synchronous, called from a bounded pool of threads."""

    def read(self, channel_id: str, start_ns: int, end_ns: int, limit: int) -> Series:
        """Return the first ``limit`` readings in [start, end)."""

    def read_buckets(self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int) -> Buckets:
        """Return aggregates over [start, end) by buckets of ``bucket_ns``."""


class Live(Protocol):
    """The picture of this moment.

    ``newest`` and ``open_alarms`` may take a moment, and are called from a thread that may wait.
    """

    def catalogue(self) -> Catalogue:
        """Return the active revision."""

    async def latest(self, channel_ids: Sequence[str] | None = None) -> Mapping[str, Latest]:
        """Return the latest readings and grades; of all channels where no ids are given."""

    def newest(self) -> tuple[Catalogue, Int64s, UInt8s]:
        """Return the active revision, and in its order all channels' newest times and grades.

        A time is in nanoseconds, 0 where the channel never had a reading.
        """

    def open_alarms(self) -> Sequence[Alarm]:
        """Return the alarms that have not ended."""

    async def profiles(self) -> Mapping[str, ActiveProfile]:
        """Return the limit profiles in force, by facility id."""

    def now_ns(self) -> int:
        """Return the time of the last tick: the wall's, or the data's with ``--clock data``."""


class Commands(Protocol):
    """Operators' verbs; each is a journal row before it takes effect."""

    async def submit(self, verb: str, arguments: dict[str, Any], author: str) -> CommandResult:
        """Append the command and return its result once it is judged and committed."""


@dataclass(frozen=True, slots=True)
class AdoptRequest:
    """What an unregistered name is to become: ``channel`` is the id within the facility."""

    facility: str
    channel: str
    name: Text
    quantity: str
    sample_interval_s: float | None
    author: str
    parameters: Mapping[str, float | str] = field(default_factory=dict)


class Adoption(Protocol):
    """Takes unregistered names into the catalogue, as a new revision."""

    async def adopt(self, gateway: str, name: str, request: AdoptRequest) -> Channel:
        """Return the new channel; raises :class:`Refused`."""


Written = Sequence[tuple[int, Transition]]


class Stream(Protocol):
    """Tells of transitions right after their commit."""

    def subscribe(self, listener: Callable[[Written], None]) -> Callable[[], None]:
        """Call ``listener`` on the event loop with each commit; returns how to stop that.

        Numbers rise from call to call.
        """


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be well for the service to be of use."""

    name: str
    ok: bool
    detail: str = ""
    vital: bool = True  # False: worth a look, and no reason to call the service unready


class Health(Protocol):
    """How the service is."""

    async def live(self) -> bool:
        """Return False where only a restart helps."""

    async def ready(self) -> Sequence[Check]:
        """Return the checks: journal, state, archive, broker, judgement and the like."""


class Key(Protocol):
    """An API key: ``role`` is ``viewer``, ``operator`` or ``admin``."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...


class Keys(Protocol):
    """The keys that were given out."""

    async def find_key(self, secret: str) -> Key | None:
        """Return the key with this secret."""


@dataclass(frozen=True, slots=True)
class WebhookState:
    """An endpoint as it is. ``state``: starting, working, failing or disabled (it answered 410)."""

    name: str
    host: str
    state: str
    cursor: int
    lag: int
    waiting: int
    oldest_ns: int
    last_success_ns: int
    failing_since_ns: int
    last_error: str
    last_error_ns: int
    catching_up: bool
    delivered: int
    failures: int
    superseded: int
    dead_letters: int


class DeadLetter(Protocol):
    """A notice that an endpoint did not take while it took others."""

    @property
    def told(self) -> "ToldNotice": ...
    @property
    def attempts(self) -> int: ...
    @property
    def error(self) -> str: ...
    @property
    def first_tried_ns(self) -> int: ...
    @property
    def last_tried_ns(self) -> int: ...


class ToldNotice(Protocol):
    """A notice with its place in the outbox."""

    @property
    def number(self) -> int: ...
    @property
    def notice(self) -> Notice: ...


class Webhooks(Protocol):
    """The endpoints that are told of alarms. All raise :class:`Refused` for an unknown name."""

    async def states(self) -> Sequence[WebhookState]:
        """Return every endpoint by name."""

    async def dead_letters(self, name: str, cursor: str | None, limit: int) -> Page[DeadLetter]:
        """Return an endpoint's dead letters, newest first."""

    async def redeliver(self, name: str, notice_id: str) -> None:
        """Send a dead letter again, once; raises :class:`Refused` where it fails again."""

    async def test(self, name: str, author: str) -> int:
        """Send a signed test and return the answer's status; raises :class:`Refused`."""


class NoWebhooks:
    """No endpoints at all."""

    async def states(self) -> Sequence[WebhookState]:
        """Return nothing."""
        return []

    async def dead_letters(self, name: str, cursor: str | None, limit: int) -> Page[DeadLetter]:
        """Refuse: there is no such endpoint."""
        del cursor, limit
        raise unknown_webhook(name)

    async def redeliver(self, name: str, notice_id: str) -> None:
        """Refuse: there is no such endpoint."""
        del notice_id
        raise unknown_webhook(name)

    async def test(self, name: str, author: str) -> int:
        """Refuse: there is no such endpoint."""
        del author
        raise unknown_webhook(name)


def unknown_webhook(name: str) -> Refused:
    """Return the refusal of a name that no endpoint has."""
    return Refused(404, f"There is no webhook {name[:64]!r}.", "GET /api/v1/webhooks")


class GatewayKey(Protocol):
    """A key of one gateway: it pushes frames and can do nothing else."""

    @property
    def gateway(self) -> str: ...
    @property
    def district(self) -> str: ...


class GatewayKeys(Protocol):
    """The keys that gateways have."""

    async def find_gateway_key(self, secret: str) -> GatewayKey | None:
        """Return the gateway's key with this secret."""


class Intake(Protocol):
    """Takes frames into the journal."""

    @property
    def formats(self) -> frozenset[str]:
        """The payload formats that are decoded."""

    async def push(self, gateway: str, district: str, payload_format: str, payload: bytes) -> int:
        """Return the row of a frame once it is durable; raises :class:`Refused` 429 or 503."""


class AuditEntry(Protocol):
    """One act of one person."""

    @property
    def number(self) -> int: ...
    @property
    def at_ns(self) -> int: ...
    @property
    def author(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def detail(self) -> str: ...


class Audit(Protocol):
    """Who did what to what, and when."""

    async def record(self, author: str, action: str, target: str, detail: str = "") -> None:
        """Write down an act that was done; ``detail`` never holds a secret."""

    async def audit(self, cursor: str | None, limit: int) -> Page[AuditEntry]:
        """Return acts, newest first. A cursor it cannot read raises ``ValueError``."""


@dataclass(frozen=True)
class Ports:
    """Everything the interface is handed.

    ``registry`` is the process's metrics; ``begin_thread`` is called first in each thread of the pools.
    """

    live: Live
    store: Store
    archive: Archive
    commands: Commands
    adoption: Adoption
    stream: Stream
    health: Health
    keys: Keys
    gateway_keys: GatewayKeys
    intake: Intake
    audit: Audit
    alarm_text: Callable[[Alarm, Catalogue], Text]
    revisions: Revisions
    profile_log: ProfileLog
    webhooks: Webhooks = field(default_factory=NoWebhooks)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    backups: Backups | None = None
    write_to_all: WriteToAll = one_by_one
    write_rows: WriteRows = row_by_row
    begin_thread: Callable[[], None] | None = None
