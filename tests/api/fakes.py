"""The ports in memory: real objects with a small memory, for tests and for looking at the page."""

import base64
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from api.ports import AdoptRequest, AlarmFilter, Check, Ports, Refused, Written
from api.ports_catalogue import Differences, FaultyDocuments
from domain.accounting import Accounts, Reject
from domain.alarm import Alarm, CommandResult, Transition, TransitionKind, derive_id
from domain.catalogue import Catalogue, Channel, Text
from domain.grade import Condition, Grade
from domain.profiles import ActiveProfile, ProfileChange, facilities_of
from domain.readings import Evidence, Latest
from domain.time import NS_PER_S, parse_rfc3339
from tests.api.city import city

NOW_NS = parse_rfc3339("2026-03-01T08:00:00Z")


@dataclass(frozen=True)
class MemoryPage:
    items: list[Any]
    next: str | None = None


def page(items: Sequence[Any], cursor: str | None, limit: int) -> MemoryPage:
    """Cursors are places here, which is enough where nothing moves meanwhile."""
    start = 0
    if cursor is not None:
        start = int(base64.urlsafe_b64decode(cursor.encode()).decode())  # ValueError for any other
    end = start + limit
    following = base64.urlsafe_b64encode(str(end).encode()).decode()
    return MemoryPage(list(items[start:end]), following if end < len(items) else None)


@dataclass(frozen=True)
class MemoryInboxed:
    gateway: str
    channel_name: str
    district: str
    count: int
    first_seen_ns: int
    last_seen_ns: int
    last_time_ns: int
    last_value: float


@dataclass(frozen=True)
class MemoryStatus:
    gateway: str
    online: bool | None
    last_heard_ns: int
    since_ns: int


@dataclass(frozen=True)
class MemoryKey:
    name: str
    role: str


def matches(alarm: Alarm, wanted: AlarmFilter) -> bool:
    states = {
        "all": True,
        "open": not alarm.ended,
        "ended": alarm.ended,
        "active": alarm.active,
        "unacknowledged": not alarm.ended and not alarm.acknowledged,
    }
    grades = {alarm.peak_grade} if alarm.ended else {alarm.peak_grade, alarm.grade}
    return (
        states[wanted.state]
        and (not wanted.grades or bool(grades & wanted.grades))
        and wanted.facility_kind in (None, alarm.facility_kind)
        and wanted.facility in (None, alarm.facility)
        and wanted.channel in (None, alarm.channel)
        and wanted.condition in (None, alarm.condition)
        and wanted.instrument in (None, alarm.instrument)
        and (wanted.since_ns is None or alarm.raised_at_ns >= wanted.since_ns)
    )


@dataclass
class MemoryStore:
    by_id: dict[str, Alarm] = field(default_factory=dict)
    written: list[tuple[int, Transition]] = field(default_factory=list)
    books: Accounts = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    inbox: list[MemoryInboxed] = field(default_factory=list)
    statuses: list[MemoryStatus] = field(default_factory=list)

    def commit(self, transitions: Sequence[Transition]) -> Written:
        numbered = []
        for transition in transitions:
            self.by_id[transition.alarm.id] = transition.alarm
            numbered.append((len(self.written) + 1, transition))
            self.written.append(numbered[-1])
        return numbered

    async def alarms(self, wanted: AlarmFilter, /) -> MemoryPage:
        found = [alarm for alarm in self.by_id.values() if matches(alarm, wanted)]
        found.sort(key=lambda alarm: (alarm.raised_at_ns, alarm.id), reverse=True)
        return page(found, wanted.cursor, wanted.limit)

    async def alarm(self, alarm_id: str) -> Alarm | None:
        return self.by_id.get(alarm_id)

    async def alarm_transitions(self, alarm_id: str) -> Written:
        return [entry for entry in self.written if entry[1].alarm.id == alarm_id]

    async def transitions(self, after: int, limit: int) -> Written:
        return self.written[after : after + limit]

    async def accounts(self) -> Accounts:
        return self.books

    async def quarantine(self, gateway: str | None, cursor: str | None, limit: int) -> MemoryPage:
        found = [entry for entry in self.rejects if gateway in (None, entry.gateway)]
        return page(found, cursor, limit)

    async def unregistered(self, cursor: str | None, limit: int) -> MemoryPage:
        return page(self.inbox, cursor, limit)

    async def gateways(self) -> Sequence[MemoryStatus]:
        return self.statuses


@dataclass
class MemorySeries:
    time_ns: Any
    value: Any
    quality: Any


@dataclass
class MemoryBuckets:
    start_ns: Any
    count: Any
    min: Any
    max: Any
    mean: Any
    last: Any


@dataclass
class MemoryArchive:
    series: dict[str, MemorySeries] = field(default_factory=dict)

    def put(self, channel_id: str, time_ns: Any, value: Any, quality: Any = None) -> None:
        good = np.ones(len(time_ns), np.uint8) if quality is None else quality
        self.series[channel_id] = MemorySeries(np.asarray(time_ns), np.asarray(value), good)

    def read(self, channel_id: str, start_ns: int, end_ns: int, limit: int) -> MemorySeries:
        empty = MemorySeries(np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint8))
        kept = self.series.get(channel_id, empty)
        first, end = np.searchsorted(kept.time_ns, [start_ns, end_ns])
        part = slice(int(first), min(int(end), int(first) + limit))
        return MemorySeries(kept.time_ns[part], kept.value[part], kept.quality[part])

    def read_buckets(
        self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int
    ) -> MemoryBuckets:
        part = self.read(channel_id, start_ns, end_ns, 10**9)
        good = part.quality != 4
        times, values = part.time_ns[good], part.value[good]
        starts = times // bucket_ns * bucket_ns
        edges = np.flatnonzero(np.diff(starts, prepend=np.int64(-1)))
        groups = np.split(values, edges[1:]) if len(edges) else []
        return MemoryBuckets(
            starts[edges],
            np.array([len(group) for group in groups], np.int64),
            np.array([group.min() for group in groups]),
            np.array([group.max() for group in groups]),
            np.array([group.mean() for group in groups]),
            np.array([group[-1] for group in groups]),
        )


@dataclass
class MemoryLive:
    store: MemoryStore
    active: Catalogue = field(default_factory=city)
    newest_of: dict[str, Latest] = field(default_factory=dict)
    present_ns: int = NOW_NS
    active_profiles: dict[str, ActiveProfile] = field(default_factory=dict)

    def catalogue(self) -> Catalogue:
        return self.active

    async def latest(self, channel_ids: Sequence[str] | None = None) -> Mapping[str, Latest]:
        return self.look(channel_ids)

    def look(self, channel_ids: Sequence[str] | None = None) -> Mapping[str, Latest]:
        wanted = self.active.channel_ids if channel_ids is None else channel_ids
        return {i: self.newest_of.get(i, Latest(0, 0.0, 2, Grade.NORMAL)) for i in wanted}

    def newest(self) -> tuple[Catalogue, Any, Any]:
        latest = [self.look([each.id])[each.id] for each in self.active.channels]
        times = np.array([one.time_ns for one in latest], np.int64)
        return self.active, times, np.array([one.grade.value for one in latest], np.uint8)

    def open_alarms(self) -> Sequence[Alarm]:
        return [alarm for alarm in self.store.by_id.values() if not alarm.ended]

    async def profiles(self) -> Mapping[str, ActiveProfile]:
        return self.active_profiles

    def now_ns(self) -> int:
        return self.present_ns


@dataclass
class MemoryStream:
    listeners: list[Callable[[Written], None]] = field(default_factory=list)

    def subscribe(self, listener: Callable[[Written], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def publish(self, written: Written) -> None:
        for listener in self.listeners:
            listener(written)


@dataclass
class MemoryCommands:
    store: MemoryStore
    stream: MemoryStream
    live: MemoryLive

    async def submit(self, verb: str, arguments: dict[str, Any], author: str) -> CommandResult:
        if verb == "profile":
            return self._profile(arguments, author)
        alarm = self.store.by_id.get(arguments["alarm_id"])
        if alarm is None:
            return CommandResult("c", 404, "there is no such alarm")
        if alarm.ended or (verb == "reset" and not alarm.awaiting_reset):
            return CommandResult("c", 409, "the alarm does not wait for this")
        now_ns = self.live.now_ns()
        if verb == "acknowledge":
            after = replace(
                alarm, acknowledged=True, acknowledged_by=author, acknowledged_at_ns=now_ns
            )
        else:
            after = replace(alarm, awaiting_reset=False)
        kind = TransitionKind.ACKNOWLEDGED if verb == "acknowledge" else TransitionKind.RESET
        written = self.store.commit(
            [transition_of(after, kind, now_ns, author, arguments.get("comment", ""))]
        )
        self.stream.publish(written)
        return CommandResult("c", 200, alarm=after)

    def _profile(self, arguments: dict[str, Any], author: str) -> CommandResult:
        try:
            facilities = facilities_of(arguments["scope"], self.live.active)
        except LookupError as error:
            return CommandResult("c", 404, str(error.args[0]))
        for facility in facilities:
            self.live.active_profiles[facility] = ActiveProfile(
                arguments["profile"], NOW_NS, author, arguments["reason"], arguments.get("until_ns")
            )
        return CommandResult("c", 200)


@dataclass(frozen=True)
class MemoryRevision:
    revision: int
    at_ns: int
    author: str
    note: str
    channels: int | None


@dataclass(frozen=True)
class MemoryFault:
    file: str
    line: int
    message: str
    remedy: str


NO_DIFFERENCES = Differences([], [], [], [], [], [], {}, [], [])


@dataclass
class MemoryRevisions:
    live: MemoryLive
    kept: dict[int, MemoryRevision] = field(default_factory=dict)
    documents: list[bytes] = field(default_factory=list)
    found: Differences = NO_DIFFERENCES

    def __post_init__(self) -> None:
        self._keep("admin", "first", self.live.active)

    def _keep(self, author: str, note: str, catalogue: Catalogue) -> int:
        number = catalogue.revision
        self.kept[number] = MemoryRevision(number, NOW_NS, author, note, len(catalogue.channels))
        self.live.active = catalogue
        return number

    def _next(self, **changes: Any) -> Catalogue:
        return replace(self.live.active, revision=max(self.kept) + 1, **changes)

    async def revisions(self, before: int | None, limit: int) -> list[MemoryRevision]:
        wanted = [
            self.kept[n] for n in sorted(self.kept, reverse=True) if before is None or n < before
        ]
        return wanted[:limit]

    async def compare(self, revision: int, against: int | None) -> Differences:
        return self.found

    async def preview(self, document: bytes) -> Differences:
        if b"bad" in document:
            raise FaultyDocuments(
                [MemoryFault("document", 3, "no kind `bad`", "write a good one")] * 2
            )
        return self.found

    async def submit(self, document: bytes, author: str, note: str) -> int:
        await self.preview(document)
        self.documents.append(document)
        return self._keep(author, note, self._next())

    async def activate_again(self, revision: int, author: str) -> int:
        return self._keep(author, f"revision {revision} again", self._next())

    async def commission(self, channels: Sequence[str], *, on: bool, author: str) -> int:
        changed = tuple(
            replace(one, commissioning=on) if one.id in channels else one
            for one in self.live.active.channels
        )
        return self._keep(author, "commissioning", self._next(channels=changed))


@dataclass
class MemoryProfileLog:
    changes: list[ProfileChange] = field(default_factory=list)

    async def profile_changes(self, limit: int = 100) -> Sequence[ProfileChange]:
        return self.changes[::-1][:limit]


@dataclass
class MemoryAdoption:
    store: MemoryStore
    live: MemoryLive

    async def adopt(self, gateway: str, name: str, request: AdoptRequest) -> Channel:
        kept = [
            one for one in self.store.inbox if (one.gateway, one.channel_name) != (gateway, name)
        ]
        if len(kept) == len(self.store.inbox):
            raise Refused(404, f"There is no {name!r} of {gateway!r} in the inbox.")
        channel = Channel(
            id=f"{request.facility}/{request.channel}",
            facility=request.facility,
            name=request.name,
            quantity=request.quantity,
            sample_interval_s=request.sample_interval_s or 60.0,
            gateway=gateway,
            sent_as=name,
        )
        self.store.inbox = kept
        active = self.live.active
        self.live.active = replace(
            active, revision=active.revision + 1, channels=(*active.channels, channel)
        )
        return channel


@dataclass
class MemoryHealth:
    alive: bool = True
    checks: list[Check] = field(
        default_factory=lambda: [Check("journal", True), Check("broker", True)]
    )

    async def live(self) -> bool:
        return self.alive

    async def ready(self) -> Sequence[Check]:
        return self.checks


@dataclass
class MemoryKeys:
    by_secret: dict[str, MemoryKey] = field(
        default_factory=lambda: {
            "viewer-key": MemoryKey("wall", "viewer"),
            "operator-key": MemoryKey("li.na", "operator"),
            "admin-key": MemoryKey("admin", "admin"),
        }
    )

    async def find_key(self, secret: str) -> MemoryKey | None:
        return self.by_secret.get(secret)


@dataclass(frozen=True)
class MemoryGatewayKey:
    gateway: str
    district: str


@dataclass
class MemoryGatewayKeys:
    by_secret: dict[str, MemoryGatewayKey] = field(
        default_factory=lambda: {
            "riverside-key": MemoryGatewayKey("gw-riverside", "elsewhere"),
            "newcomer-key": MemoryGatewayKey("gw-newcomer", "north"),
        }
    )

    async def find_gateway_key(self, secret: str) -> MemoryGatewayKey | None:
        return self.by_secret.get(secret)


@dataclass
class MemoryIntake:
    formats: frozenset[str] = frozenset({"json", "block"})
    pushed: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    refusal: Refused | None = None

    async def push(self, gateway: str, district: str, payload_format: str, payload: bytes) -> int:
        if self.refusal is not None:
            raise self.refusal
        self.pushed.append((gateway, district, payload_format, payload))
        return len(self.pushed)


@dataclass(frozen=True)
class MemoryAct:
    number: int
    at_ns: int
    author: str
    action: str
    target: str
    detail: str


@dataclass
class MemoryAudit:
    acts: list[MemoryAct] = field(default_factory=list)

    async def record(self, author: str, action: str, target: str, detail: str = "") -> None:
        self.acts.append(MemoryAct(len(self.acts) + 1, NOW_NS, author, action, target, detail))

    async def audit(self, cursor: str | None, limit: int) -> MemoryPage:
        return page(self.acts[::-1], cursor, limit)


def text_of(alarm: Alarm, catalogue: Catalogue) -> Text:
    facility = catalogue.facility_by_id[alarm.facility].name
    channel = catalogue.channel(alarm.channel)
    symbol = catalogue.quantity_by_id[channel.quantity].symbol
    if alarm.instrument:
        return Text(
            f"{facility.zh} {channel.name.zh}：仪表故障（{alarm.condition.value}）",
            f"{facility.en}, {channel.name.en}: instrument fault ({alarm.condition.value})",
        )
    return Text(
        f"{facility.zh} {channel.name.zh} {alarm.value:g} {symbol.zh}，达到限值 {alarm.limit:g} {symbol.zh}",
        f"{facility.en}, {channel.name.en}: {alarm.value:g} {symbol.en}, limit {alarm.limit:g} {symbol.en}",
    )


def alarm_of(channel: Channel, kind: str, grade: Grade, raised_at_ns: int, **changes: Any) -> Alarm:
    condition = changes.pop("condition", Condition.HIGH)
    limit = next((one.value for one in channel.limits if one.grade == grade), 3.0)
    alarm = Alarm(
        id=derive_id(channel.id, condition, raised_at_ns),
        channel=channel.id,
        facility=channel.facility,
        facility_kind=kind,
        condition=condition,
        grade=grade,
        peak_grade=grade,
        active=True,
        acknowledged=False,
        latching=channel.latching,
        awaiting_reset=channel.latching,
        ended=False,
        raised_at_ns=raised_at_ns,
        cleared_at_ns=None,
        ended_at_ns=None,
        acknowledged_at_ns=None,
        acknowledged_by=None,
        value=limit * 1.04,
        limit=limit,
        delayed=False,
        revision=7,
    )
    return replace(alarm, **changes)


def transition_of(
    alarm: Alarm,
    kind: TransitionKind,
    time_ns: int,
    author: str | None = None,
    reason: str = "",
    evidence: Evidence | None = None,
) -> Transition:
    return Transition(
        id=derive_id(alarm.id, kind, time_ns),
        seq=time_ns // NS_PER_S,
        ordinal=0,
        kind=kind,
        time_ns=time_ns,
        recorded_ns=time_ns + NS_PER_S,
        previous_grade=Grade.NORMAL,
        alarm=alarm,
        author=author,
        reason=reason,
        evidence=evidence,
    )


@dataclass
class Memory:
    """All ports in memory, with handles on each."""

    store: MemoryStore = field(default_factory=MemoryStore)
    archive: MemoryArchive = field(default_factory=MemoryArchive)
    stream: MemoryStream = field(default_factory=MemoryStream)
    health: MemoryHealth = field(default_factory=MemoryHealth)
    keys: MemoryKeys = field(default_factory=MemoryKeys)
    gateway_keys: MemoryGatewayKeys = field(default_factory=MemoryGatewayKeys)
    intake: MemoryIntake = field(default_factory=MemoryIntake)
    audit: MemoryAudit = field(default_factory=MemoryAudit)
    live: MemoryLive = field(init=False)
    commands: MemoryCommands = field(init=False)
    adoption: MemoryAdoption = field(init=False)
    revisions: MemoryRevisions = field(init=False)
    profile_log: MemoryProfileLog = field(default_factory=MemoryProfileLog)

    def __post_init__(self) -> None:
        self.live = MemoryLive(self.store)
        self.commands = MemoryCommands(self.store, self.stream, self.live)
        self.adoption = MemoryAdoption(self.store, self.live)
        self.revisions = MemoryRevisions(self.live)

    def ports(self) -> Ports:
        return Ports(
            live=self.live,
            store=self.store,
            archive=self.archive,
            commands=self.commands,
            adoption=self.adoption,
            stream=self.stream,
            health=self.health,
            keys=self.keys,
            gateway_keys=self.gateway_keys,
            intake=self.intake,
            audit=self.audit,
            alarm_text=text_of,
            revisions=self.revisions,
            profile_log=self.profile_log,
        )

    def raise_alarm(
        self, channel_id: str, grade: Grade, age_s: float = 60, **changes: Any
    ) -> Alarm:
        """Commit an alarm as raised, and tell the stream."""
        channel = self.live.active.channel(channel_id)
        kind = self.live.active.facility_by_id[channel.facility].kind
        raised_at_ns = self.live.present_ns - round(age_s * NS_PER_S)
        alarm = alarm_of(channel, kind, grade, raised_at_ns, **changes)
        evidence = Evidence(
            revision=7,
            first_seq=1,
            last_seq=9,
            state={"pending_ns": np.int64(5), "sum": float("nan"), "ring": np.zeros(2)},
            readings=[(raised_at_ns, float("inf"), 1), (raised_at_ns, 2.0, 1)],
            limits=[{"grade": "red", "value": 40.0}],
        )
        transition = transition_of(alarm, TransitionKind.RAISED, raised_at_ns, evidence=evidence)
        self.stream.publish(self.store.commit([transition]))
        return alarm
