"""The nouns as documents: times as RFC 3339, grades as words, nothing that JSON cannot hold."""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np

from api.schemas import (
    AlarmOut,
    ChannelOut,
    EvidencedTransition,
    EvidenceOut,
    FeatureOut,
    GradeWord,
    LatestOut,
    LimitOut,
    ReadingOut,
    TransitionOut,
    Words,
)
from domain.alarm import Alarm, Transition
from domain.catalogue import Catalogue, Channel, Feature, Limit, Quantity, Text
from domain.grade import Grade
from domain.readings import Evidence, Latest
from domain.time import TIME_NS_MAX, TIME_NS_MIN, format_rfc3339

# Texts and limits that are put into documents once: channels have theirs from few templates.
ALIKE_MAX = 4096

AlarmText = Callable[[Alarm, Catalogue], Text]


def finite(value: float | None) -> float | None:
    """Return ``value``, or ``None`` where JSON has no number for it."""
    return float(value) if value is not None and math.isfinite(value) else None


def time_text(time_ns: int) -> str:
    """Return an RFC 3339 time; one out of the years 1970 to 2261 is moved to their edge."""
    return format_rfc3339(min(max(int(time_ns), TIME_NS_MIN), TIME_NS_MAX))


def time_or_none(time_ns: int | None) -> str | None:
    """Return an RFC 3339 time; ``None`` for ``None`` and for 0, which stands for never."""
    return time_text(time_ns) if time_ns else None


@lru_cache(ALIKE_MAX)
def words(text: Text) -> Words:
    """Return a text in both languages."""
    return Words(zh=text.zh, en=text.en)


def grade_word(grade: Grade) -> GradeWord:
    """Return the grade's word."""
    return cast("GradeWord", grade.word)


def plain(value: object) -> Any:
    """Return ``value`` as JSON can hold it: for the states and parameters of other packages."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return finite(value)
    return value if value is None or isinstance(value, str | int) else str(value)


def quantity_of(channel: Channel | None, catalogue: Catalogue) -> Quantity | None:
    """Return the channel's quantity, where both are in the catalogue."""
    return catalogue.quantity_by_id.get(channel.quantity) if channel else None


def find_channel(channel_id: str, catalogue: Catalogue) -> Channel | None:
    """Return the channel with this id, if the revision has it."""
    index = catalogue.channel_index.get(channel_id)
    return None if index is None else catalogue.channels[index]


def judged_channel(alarm: Alarm, catalogue: Catalogue) -> Channel | None:
    """Return the channel that ``alarm.value`` and ``alarm.limit`` are of.

    An alarm about an instrument belongs to the channel it watches, but its value is that of the
    fault channel, in another unit.
    """
    if alarm.instrument:
        fault = find_channel(f"{alarm.channel}:{alarm.condition.value}", catalogue)
        if fault is not None:
            return fault
    return find_channel(alarm.channel, catalogue)


@lru_cache(ALIKE_MAX)
def limit_out(limit: Limit) -> LimitOut:
    """Return a limit as a document."""
    return LimitOut(
        grade=grade_word(limit.grade),
        side="high" if limit.side == 0 else "low",
        value=limit.value,
        deadband=limit.deadband,
        on_delay_s=limit.on_delay_s,
        off_delay_s=limit.off_delay_s,
        n=limit.n,
        m=limit.m,
    )


def feature_out(feature: Feature) -> FeatureOut:
    """Return a feature as a document."""
    return FeatureOut(
        kind=feature.kind, inputs=list(feature.inputs), parameters=plain(feature.parameters)
    )


def is_fresh(channel: Channel, latest: Latest, catalogue: Catalogue, now_ns: int) -> bool | None:
    """Return whether the channel's newest reading is as new as its intervals demand.

    ``None`` for fault channels. What reports on change only stays fresh once it has reported.
    """
    if channel.fault is not None:
        return None
    if latest.time_ns == 0:
        return False
    return reports_on_change(channel, catalogue) or (
        now_ns - latest.time_ns <= catalogue.caught_up_age_ns(channel)
    )


def reports_on_change(channel: Channel, catalogue: Catalogue) -> bool:
    """Return whether the channel, or what it is derived from, reports on change only."""
    for _ in range(16):
        if channel.on_change:
            return True
        if channel.feature is None or not channel.feature.inputs:
            return False
        parent = find_channel(channel.feature.inputs[0], catalogue)
        if parent is None:
            return False
        channel = parent
    return False


def latest_out(
    channel: Channel, latest: Latest | None, catalogue: Catalogue, now_ns: int
) -> LatestOut | None:
    """Return the newest reading as a document; ``None`` where there was never one."""
    if latest is None or latest.time_ns == 0:
        return None
    return LatestOut(
        time=time_or_none(latest.time_ns),
        value=finite(latest.value),
        quality=int(latest.quality),
        grade=grade_word(latest.grade),
        fresh=is_fresh(channel, latest, catalogue, now_ns),
    )


def channel_out(
    channel: Channel, catalogue: Catalogue, latest: Latest | None, now_ns: int
) -> ChannelOut:
    """Return a channel as a document."""
    facility = catalogue.facility_by_id.get(channel.facility)
    quantity = quantity_of(channel, catalogue)
    return ChannelOut(
        id=channel.id,
        facility=channel.facility,
        kind=facility.kind if facility else None,
        name=words(channel.name),
        quantity=channel.quantity,
        unit=quantity.unit if quantity else None,
        symbol=words(quantity.symbol) if quantity else None,
        gateway=channel.gateway,
        sent_as=channel.sent_as,
        sample_interval_s=channel.sample_interval_s,
        feature=feature_out(channel.feature) if channel.feature else None,
        fault=channel.fault.value if channel.fault else None,
        fault_of=channel.fault_of,
        limits=[limit_out(limit) for limit in channel.limits],
        on_change=channel.on_change,
        commissioning=channel.commissioning,
        latching=channel.latching,
        acknowledge_up_to=grade_word(channel.acknowledge_up_to),
        source=channel.source,
        profile=catalogue.profile_of(channel.facility),
        profile_limits={
            profile: [limit_out(limit) for limit in limits]
            for profile, limits in channel.profile_limits.items()
        },
        latest=latest_out(channel, latest, catalogue, now_ns),
    )


def alarm_fields(alarm: Alarm, catalogue: Catalogue, text: AlarmText) -> dict[str, Any]:
    """Return the fields of :class:`AlarmOut`."""
    facility = catalogue.facility_by_id.get(alarm.facility)
    channel = find_channel(alarm.channel, catalogue)
    quantity = quantity_of(judged_channel(alarm, catalogue), catalogue)
    return {
        "id": alarm.id,
        "facility": alarm.facility,
        "facility_name": words(facility.name) if facility else None,
        "kind": alarm.facility_kind,
        "channel": alarm.channel,
        "channel_name": words(channel.name) if channel else None,
        "condition": alarm.condition.value,
        "grade": alarm.grade.word,
        "peak_grade": alarm.peak_grade.word,
        "active": alarm.active,
        "acknowledged": alarm.acknowledged,
        "acknowledged_by": alarm.acknowledged_by,
        "acknowledged_at": time_or_none(alarm.acknowledged_at_ns),
        "instrument": alarm.instrument,
        "latching": alarm.latching,
        "awaiting_reset": alarm.awaiting_reset,
        "raised_at": time_text(alarm.raised_at_ns),
        "active_since": time_text(alarm.active_since_ns),
        "cleared_at": time_or_none(alarm.cleared_at_ns),
        "ended": alarm.ended,
        "ended_at": time_or_none(alarm.ended_at_ns),
        "value": finite(alarm.value),
        "limit": finite(alarm.limit),
        "unit": quantity.unit if quantity else None,
        "symbol": words(quantity.symbol) if quantity else None,
        "delayed": alarm.delayed,
        "revision": alarm.revision,
        "text": words(text(alarm, catalogue)),
    }


def alarm_out(alarm: Alarm, catalogue: Catalogue, text: AlarmText) -> AlarmOut:
    """Return an alarm as a document."""
    return AlarmOut(**alarm_fields(alarm, catalogue, text))


def evidence_out(evidence: Evidence) -> EvidenceOut:
    """Return the evidence of a rise as a document."""
    return EvidenceOut(
        revision=evidence.revision,
        profile=evidence.profile,
        first_seq=evidence.first_seq,
        last_seq=evidence.last_seq,
        state=plain(evidence.state),
        readings=[
            ReadingOut(time=time_text(time_ns), value=finite(value), quality=int(quality))
            for time_ns, value, quality in evidence.readings
        ],
        limits=plain(evidence.limits),
    )


def transition_fields(
    number: int, transition: Transition, catalogue: Catalogue, text: AlarmText
) -> dict[str, Any]:
    """Return the fields of :class:`TransitionOut`."""
    return {
        "number": number,
        "id": transition.id,
        "seq": transition.seq,
        "kind": transition.kind.value,
        "time": time_text(transition.time_ns),
        "recorded_at": time_text(transition.recorded_ns),
        "previous_grade": transition.previous_grade.word,
        "author": transition.author,
        "reason": transition.reason,
        "alarm": alarm_out(transition.alarm, catalogue, text),
    }


def transition_out(
    number: int, transition: Transition, catalogue: Catalogue, text: AlarmText
) -> TransitionOut:
    """Return a transition as a document, without its evidence."""
    return TransitionOut(**transition_fields(number, transition, catalogue, text))


def evidenced_out(
    number: int, transition: Transition, catalogue: Catalogue, text: AlarmText
) -> EvidencedTransition:
    """Return a transition as a document, with its evidence."""
    evidence = evidence_out(transition.evidence) if transition.evidence else None
    fields = transition_fields(number, transition, catalogue, text)
    return EvidencedTransition(**fields, evidence=evidence)
