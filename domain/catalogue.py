"""The catalogue: facilities, gateways, channels and limits, as one immutable snapshot.

A catalogue is resolved: templates are applied, expressions are numbers, and the channels of the
instrument faults stand beside the channels they watch. A channel's place in ``channels`` is its
*index*, the number that the hot path uses; indices hold within one revision only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from domain.grade import Condition, FaultKind, Grade, Side


@dataclass(frozen=True, slots=True)
class Text:
    """A text for people, in Chinese and in English."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class FacilityKind:
    """A kind of facility, such as ``bridge``, ``tunnel``, ``gas``, ``drainage`` or ``lift``."""

    id: str
    name: Text


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a channel measures. ``unit`` is a UCUM code, ``symbol`` how people see it."""

    id: str
    name: Text
    unit: str
    symbol: Text


@dataclass(frozen=True, slots=True)
class Facility:
    """A bridge, tunnel, gas section, drainage section, lift, … with its dossier."""

    id: str
    kind: str
    name: Text
    district: str
    longitude_deg: float | None = None
    latitude_deg: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gateway:
    """What publishes: one MQTT identity, many channels.

    ``zone`` is the IANA zone of times sent without one.
    """

    id: str
    district: str
    name: Text
    facility: str
    zone: str = "UTC"
    upload_interval_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Limit:
    """One graded limit; a channel has at most one for each grade and side.

    A reading exceeds where value >= ``value`` (high) or <= ``value`` (low); it releases where
    value < ``value - deadband`` (high) or > ``value + deadband`` (low). At least ``n`` of the
    last ``m`` readings (m <= 64) must exceed before the on-delay begins.
    """

    grade: Grade
    side: Side
    value: float
    deadband: float = 0.0
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    n: int = 1
    m: int = 1


@dataclass(frozen=True, slots=True)
class Checks:
    """Quality checks of a channel; ``None`` leaves one out. Names follow QARTOD.

    ``fail_low``/``fail_high``: gross range, outside of it a reading fails.
    ``suspect_low``/``suspect_high``: outside of it a reading is suspect.
    ``spike``: a reading fails whose jump from the last good reading is larger, unless the reading
    before it stood within ``spike`` of it (a step that stays is real).
    ``rate_per_s``: a reading is suspect where it changes faster, per second of event time.
    ``flat_s``, ``flat_tolerance``: a reading is suspect, and the instrument stuck, where all
    readings of the last ``flat_s`` seconds lie within ``flat_tolerance`` of one another
    (0 finds a frozen value).
    """

    fail_low: float | None = None
    fail_high: float | None = None
    suspect_low: float | None = None
    suspect_high: float | None = None
    spike: float | None = None
    rate_per_s: float | None = None
    flat_s: float | None = None
    flat_tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Feature:
    """What a derived channel is computed from: ``kind`` names a file of ``analytics/features``.

    ``inputs`` are channel ids; ``parameters`` those of the feature's kind.
    """

    kind: str
    inputs: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures by stretches of ``bucket_s`` that stand in for readings that are gone.

    They are kept for ``days`` of event time, for ever where that is ``None``.
    """

    bucket_s: int = 60
    days: float | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the readings of a channel are kept: ``raw_days`` of event time, ``None`` for ever.

    Afterwards ``summary`` is kept of them; nothing where it is ``None``.
    """

    raw_days: float | None = None
    summary: Summary | None = field(default_factory=Summary)


@dataclass(frozen=True, slots=True)
class Profile:
    """A special period with limits of its own, such as the flood season or a typhoon."""

    id: str
    name: Text


@dataclass(frozen=True, slots=True)
class Channel:
    """One series of one quantity.

    It is measured (``gateway`` and ``sent_as``), derived from others (``feature``), or the channel of
    an instrument fault (``fault``).

    A fault channel watches the channel ``fault_of``, and its alarms are that channel's; where
    ``fault_of`` is ``None`` it watches its gateway. ``on_change`` marks a channel that reports on
    change only: it is never silent, and its delays run on ticks, too. ``commissioning`` channels
    are stored and graded, and raise nothing. Alarms whose peak is at most ``acknowledge_up_to``
    acknowledge themselves; ``latching`` alarms stay until somebody resets them.
    ``profile_limits`` stand in place of ``limits``, by the id of the profile its facility is in.
    """

    id: str
    facility: str
    name: Text
    quantity: str
    sample_interval_s: float
    gateway: str | None = None
    sent_as: str | None = None
    feature: Feature | None = None
    fault: FaultKind | None = None
    fault_of: str | None = None
    checks: Checks = field(default_factory=Checks)
    limits: tuple[Limit, ...] = ()
    on_change: bool = False
    commissioning: bool = False
    latching: bool = False
    acknowledge_up_to: Grade = Grade.NORMAL
    source: str = ""  # where the limits come from, in a person's words
    retention: Retention = field(default_factory=Retention)
    profile_limits: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)

    def condition(self, side: Side) -> Condition:
        """Return the condition that a held limit of ``side`` on this channel is about."""
        if self.fault is not None:
            return Condition(self.fault.value)
        return Condition.HIGH if side is Side.HIGH else Condition.LOW

    @property
    def alarm_channel(self) -> str:
        """The id of the channel that alarms of this channel belong to."""
        return self.fault_of if self.fault_of is not None else self.id


NORMAL_PROFILE = "normal"  # no profile: the limits as they are
_INDICES = ("channel_ids", "channel_index", "sent_index")


@dataclass(frozen=True)
class Catalogue:
    """One revision of the catalogue, whole and valid.

    ``in_force`` says which facility is in which profile; it is empty as saved, and
    ``with_profiles`` makes the catalogue that is judged by.
    """

    revision: int
    name: Text = field(default_factory=lambda: Text("", ""))
    kinds: tuple[FacilityKind, ...] = ()
    quantities: tuple[Quantity, ...] = ()
    facilities: tuple[Facility, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    channels: tuple[Channel, ...] = ()
    profiles: tuple[Profile, ...] = ()
    in_force: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def channel_ids(self) -> tuple[str, ...]:
        """The channels' ids, by index."""
        return tuple(channel.id for channel in self.channels)

    @cached_property
    def channel_index(self) -> dict[str, int]:
        """Index of each channel id."""
        return {channel.id: index for index, channel in enumerate(self.channels)}

    @cached_property
    def gateway_index(self) -> dict[str, int]:
        """Index of each gateway id."""
        return {gateway.id: index for index, gateway in enumerate(self.gateways)}

    @cached_property
    def sent_index(self) -> dict[tuple[str, str], int]:
        """Channel index by (gateway id, name as sent)."""
        return {
            (channel.gateway, channel.sent_as): index
            for index, channel in enumerate(self.channels)
            if channel.gateway is not None and channel.sent_as is not None
        }

    @cached_property
    def facility_by_id(self) -> dict[str, Facility]:
        """Facilities by id."""
        return {facility.id: facility for facility in self.facilities}

    @cached_property
    def quantity_by_id(self) -> dict[str, Quantity]:
        """Quantities by id."""
        return {quantity.id: quantity for quantity in self.quantities}

    @cached_property
    def kind_by_id(self) -> dict[str, FacilityKind]:
        """Kinds of facility by id."""
        return {kind.id: kind for kind in self.kinds}

    @cached_property
    def profile_by_id(self) -> dict[str, Profile]:
        """Limit profiles by id; *normal* is none of them."""
        return {profile.id: profile for profile in self.profiles}

    @cached_property
    def profiled(self) -> tuple[int, ...]:
        """The indices of channels that have limits of their own in any profile."""
        return tuple(i for i, channel in enumerate(self.channels) if channel.profile_limits)

    def profile_of(self, facility: str) -> str:
        """Return the id of the profile that a facility is in, ``normal`` where in none."""
        return self.in_force.get(facility, NORMAL_PROFILE)

    def with_profiles(self, in_force: Mapping[str, str]) -> "Catalogue":
        """Return the catalogue with the limits of these profiles, by facility id, in force.

        To be asked of a catalogue as saved. A channel that says nothing of its facility's profile
        keeps its limits.
        """
        if not in_force:
            return self
        channels = list(self.channels)
        for index in self.profiled:
            channel = channels[index]
            limits = channel.profile_limits.get(in_force.get(channel.facility, NORMAL_PROFILE))
            if limits is not None and limits != channel.limits:
                channels[index] = replace(channel, limits=limits)
        made = replace(self, channels=tuple(channels), in_force=dict(in_force))
        made._lean_on(self)  # noqa: SLF001  one of its own kind
        return made

    def sharing(self, before: "Catalogue") -> "Catalogue":
        """Return the same catalogue made of the channels of ``before`` where those are equal.

        Two revisions of a city differ in little: what is one object need not be looked at again.
        """
        known = before.channel_index
        channels = list(self.channels)
        for index, channel in enumerate(channels):
            place = known.get(channel.id)
            if place is not None and before.channels[place] == channel:
                channels[index] = before.channels[place]
        made = replace(self, channels=tuple(channels))
        made._lean_on(before)  # noqa: SLF001
        return made

    def stands_like(self, other: "Catalogue") -> bool:
        """Whether ids, names as sent and gateways stand at the same places as in ``other``."""
        if len(self.channels) != len(other.channels) or self.gateways != other.gateways:
            return False
        return all(
            a is b or (a.id == b.id and a.gateway == b.gateway and a.sent_as == b.sent_as)
            for a, b in zip(self.channels, other.channels, strict=True)
        )

    def _lean_on(self, other: "Catalogue") -> None:
        """Take over the indices of a catalogue that stands like this one: they take long to make."""
        if self.stands_like(other):
            for name in _INDICES:
                self.__dict__[name] = getattr(other, name)

    def channel(self, channel_id: str) -> Channel:
        """Return the channel with this id; raises ``KeyError`` where there is none."""
        return self.channels[self.channel_index[channel_id]]

    def caught_up_age_ns(self, channel: Channel) -> int:
        """Return how old the newest reading of a caught-up channel may be, in nanoseconds.

        Sample interval and upload interval together, plus a minute.
        """
        upload_s = 0.0
        source: Channel = channel
        seen = 0
        while source.gateway is None and seen < 16:
            inputs = source.feature.inputs if source.feature else ()
            parent = source.fault_of or (inputs[0] if inputs else None)
            if parent is None:
                break
            source, seen = self.channel(parent), seen + 1
        if source.gateway is not None:
            upload_s = self.gateways[self.gateway_index[source.gateway]].upload_interval_s
        return round((channel.sample_interval_s + upload_s + 60.0) * 1e9)
