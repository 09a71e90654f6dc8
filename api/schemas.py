"""The documents of the interface, with their meaning, for OpenAPI."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

T = TypeVar("T")

GradeWord = Literal["normal", "blue", "yellow", "orange", "red"]
TimeText = Annotated[str, Field(examples=["2026-03-01T08:00:00Z"], description="RFC 3339, UTC.")]


class Document(BaseModel):
    """What every answer has in common."""

    model_config = ConfigDict(ser_json_inf_nan="null")


class Listed(Document, Generic[T]):
    """A part of a list. Pass ``next`` as ``cursor`` for the part after it; null at the end."""

    items: list[T]
    next: str | None = None


class Words(Document):
    """A text in Chinese and in English."""

    zh: str
    en: str


class ErrorPlace(Document):
    """One wrong thing: where it stands, what is wrong, what to do."""

    place: str
    problem: str
    remedy: str
    file: str | None = Field(None, description="Of a catalogue's document: where it stands.")
    line: str | None = None
    message: str | None = None


class Problem(Document):
    """A refusal (RFC 9457)."""

    type: str = Field(examples=["urn:lifeline:problem:not-found"])
    title: str
    status: int
    detail: str
    remedy: str | None = None
    errors: list[ErrorPlace] | None = None


class OpenAlarms(Document):
    """Alarms of the facility itself that have not ended, by the grade they have now.

    ``normal``: back to normal, but still open.
    """

    red: int = 0
    orange: int = 0
    yellow: int = 0
    blue: int = 0
    normal: int = 0


class FacilityOut(Document):
    """A bridge, tunnel, gas or drainage section, lift, … as it stands now."""

    id: str
    kind: str
    name: Words
    district: str
    location: list[float] | None = Field(description="Longitude and latitude in degrees.")
    attributes: dict[str, Any]
    grade: GradeWord = Field(description="Worst grade of its channels; instrument faults apart.")
    open_alarms: OpenAlarms
    open_faults: int = Field(description="Open alarms about its instruments.")
    unacknowledged: int = Field(description="Open alarms nobody has acknowledged, faults included.")
    profile: str = Field(description="The limit profile in force; normal where none is.")
    in_commissioning: int = Field(description="Channels in commissioning.")
    channels: int = Field(description="Number of channels, fault channels apart.")
    fresh_channels: int = Field(
        description="Channels with a current reading. 0 means no data, whatever the grade says."
    )


class LatestOut(Document):
    """The newest judged reading of a channel."""

    time: TimeText | None
    value: float | None
    quality: int = Field(description="QARTOD: 1 pass, 2 unknown, 3 suspect, 4 fail, 9 missing.")
    grade: GradeWord
    fresh: bool | None = Field(
        description="Whether the reading is as new as the channel's intervals demand; null for "
        "channels of instrument faults, whose value stands until it changes."
    )


class LimitOut(Document):
    """One graded limit."""

    grade: GradeWord
    side: Literal["high", "low"]
    value: float
    deadband: float
    on_delay_s: float
    off_delay_s: float
    n: int
    m: int


class FeatureOut(Document):
    """What a derived channel is computed from."""

    kind: str
    inputs: list[str]
    parameters: dict[str, Any]


class ChannelOut(Document):
    """One series of one quantity, with its newest reading."""

    id: str
    facility: str
    kind: str | None = Field(description="Kind of the facility.")
    name: Words
    quantity: str
    unit: str | None = Field(description="UCUM code.")
    symbol: Words | None = Field(description="The unit as people write it.")
    gateway: str | None
    sent_as: str | None
    sample_interval_s: float
    feature: FeatureOut | None
    fault: str | None = Field(description="The kind of instrument fault, for fault channels.")
    fault_of: str | None
    limits: list[LimitOut]
    on_change: bool
    commissioning: bool
    latching: bool
    acknowledge_up_to: GradeWord
    source: str = Field(description="Where the limits come from.")
    profile: str = Field(description="The limit profile in force; its limits are those above.")
    profile_limits: dict[str, list[LimitOut]] = Field(description="Limits by profile.")
    latest: LatestOut | None = Field(description="Null where there was never a reading.")


class ReadingOut(Document):
    """One reading."""

    time: TimeText
    value: float | None
    quality: int


class BucketOut(Document):
    """The readings of one bucket; those of quality fail are left out."""

    start: TimeText
    count: int
    min: float | None
    max: float | None
    mean: float | None
    last: float | None


class ReadingsOut(Document):
    """Readings of a channel in [start, end), or buckets of them where ``bucket_s`` is given."""

    channel: str
    unit: str | None
    symbol: Words | None
    start: TimeText
    end: TimeText
    bucket_s: float | None
    items: list[ReadingOut] | list[BucketOut]
    next: str | None


class AlarmOut(Document):
    """One condition of one channel going through its life."""

    id: str
    facility: str
    facility_name: Words | None
    kind: str = Field(description="Kind of the facility.")
    channel: str
    channel_name: Words | None
    condition: str = Field(description="high, low, or the kind of instrument fault.")
    grade: GradeWord = Field(description="The grade now; normal once returned.")
    peak_grade: GradeWord
    active: bool
    acknowledged: bool
    acknowledged_by: str | None
    acknowledged_at: TimeText | None
    instrument: bool = Field(description="The instrument is at fault, not the facility.")
    latching: bool
    awaiting_reset: bool
    raised_at: TimeText = Field(description="When it was raised first; an event time.")
    active_since: TimeText = Field(
        description="When it became active last; what cleared_at belongs to."
    )
    cleared_at: TimeText | None
    ended: bool
    ended_at: TimeText | None
    value: float | None = Field(description="At the last change of grade.")
    limit: float | None
    unit: str | None = Field(description="UCUM code of value and limit.")
    symbol: Words | None
    delayed: bool = Field(description="Its readings came when they were already old.")
    revision: int
    text: Words


class EvidenceOut(Document):
    """Enough to run the judgement of one rise again."""

    revision: int
    profile: str = Field(description="The limit profile in force; normal where none was.")
    first_seq: int
    last_seq: int
    state: dict[str, Any]
    readings: list[ReadingOut]
    limits: list[dict[str, Any]]


class TransitionOut(Document):
    """An alarm changed: when, why, by whom; ``alarm`` is its state afterwards."""

    number: int = Field(description="Rises from transition to transition; the id of its event.")
    id: str
    seq: int
    kind: str
    time: TimeText
    recorded_at: TimeText
    previous_grade: GradeWord
    author: str | None
    reason: str
    alarm: AlarmOut


class EvidencedTransition(TransitionOut):
    """A transition with what it was judged on."""

    evidence: EvidenceOut | None


class AlarmDetail(AlarmOut):
    """An alarm with everything that happened to it."""

    transitions: list[EvidencedTransition]


class CommentIn(BaseModel):
    """What an operator adds to a verb."""

    model_config = ConfigDict(extra="forbid")
    comment: str = Field("", max_length=500)


class GatewayOut(Document):
    """What publishes, and when it was last heard."""

    id: str
    registered: bool = Field(description="False: heard, but not in the catalogue.")
    name: Words | None
    district: str | None
    facility: str | None
    zone: str | None
    upload_interval_s: float | None
    channels: int
    online: bool | None = Field(description="Its own word or will; null before any.")
    online_since: TimeText | None
    last_heard: TimeText | None


class FramesAccount(Document):
    """received = decoded + duplicate + undecodable + refused."""

    received: int
    decoded: int
    duplicate: int
    undecodable: int
    undecodable_by_reason: dict[str, int]
    refused: int = Field(description="Over the gateway's limits: counted, and not kept.")
    refused_by_reason: dict[str, int]
    balanced: bool


class ReadingsAccount(Document):
    """received = stored + unregistered + rejected + quarantined + pending.

    ``late`` are among the stored and pending; pending are judged and on the way to the archive.
    """

    received: int
    stored: int
    late: int
    unregistered: int
    rejected: int
    rejected_by_reason: dict[str, int]
    quarantined: int
    quarantined_by_reason: dict[str, int]
    pending: int
    balanced: bool


class AccountOut(Document):
    """The books of one gateway, in two units that each balance."""

    gateway: str
    frames: FramesAccount
    readings: ReadingsAccount
    balanced: bool


class QuarantineOut(Document):
    """What was refused, of whom, and why."""

    seq: int
    gateway: str
    topic: str
    received_at: TimeText
    unit: str
    fate: str
    reason: str
    detail: str
    channel_name: str
    excerpt: str = Field(description="Beginning of the payload; unprintable bytes as \\xNN.")
    count: int


class UnregisteredOut(Document):
    """A name that the catalogue does not know."""

    gateway: str
    name: str
    count: int
    first_seen: TimeText
    last_seen: TimeText
    last_time: TimeText
    last_value: float | None


class NameIn(BaseModel):
    """A name in both languages."""

    model_config = ConfigDict(extra="forbid")
    zh: str = Field(min_length=1, max_length=128)
    en: str = Field(min_length=1, max_length=128)


class AdoptIn(BaseModel):
    """What the name is to become."""

    model_config = ConfigDict(extra="forbid")
    facility: str = Field(min_length=1, max_length=128)
    channel: str = Field(
        pattern=r"^[a-z0-9._-]+(/[a-z0-9._-]+)*$",
        max_length=100,
        description="The id within the facility, such as deflection-midspan.",
    )
    name: NameIn
    quantity: str = Field(min_length=1, max_length=128)
    sample_interval_s: float | None = Field(None, gt=0, le=86_400, allow_inf_nan=False)
    parameters: dict[str, FiniteFloat | str] = Field(
        default_factory=dict,
        max_length=32,
        description='What the quantity\'s template asks for, such as {"design": 150}.',
    )


class KindOut(Document):
    """A kind of facility."""

    id: str
    name: Words


class QuantityOut(Document):
    """What a channel may measure."""

    id: str
    name: Words
    unit: str
    symbol: Words


class CatalogueOut(Document):
    """The active revision of the catalogue."""

    revision: int
    name: Words
    kinds: int
    facilities: int
    gateways: int
    channels: int
    now: TimeText = Field(description="The service's present: the time of its last tick.")
    open_reads: bool = Field(description="Whether reading needs no key.")


class CheckOut(Document):
    """One thing that must be well."""

    name: str
    ok: bool
    detail: str
    vital: bool = Field(description="Whether the service is unready without it.")


class ReadyOut(Document):
    """Whether the service is of use now."""

    ready: bool
    checks: list[CheckOut]


class LiveOut(Document):
    """Whether the process lives."""

    live: bool


class FrameOut(Document):
    """A frame that is safely taken: it will be judged, archived and counted."""

    seq: int = Field(description="Its row in the journal.")


class AuditOut(Document):
    """Somebody did something."""

    number: int
    at: TimeText
    author: str = Field(description="The name of the key, or the command line's user.")
    action: str
    target: str
    detail: str
