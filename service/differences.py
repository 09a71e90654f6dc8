"""What another revision would change: for a person to read before it is activated."""

from collections.abc import Iterable
from dataclasses import fields

from alerting.book import reason_to_close
from api.ports_catalogue import ClosingAlarm, Differences, LimitsChange
from domain.alarm import Alarm
from domain.catalogue import Catalogue, Channel, Facility, Gateway

_FIELDS = tuple(field.name for field in fields(Channel) if field.name not in ("id", "limits"))


def differences(before: Catalogue, after: Catalogue, alarms: Iterable[Alarm]) -> Differences:
    """Return what changes from ``before`` to ``after``, and which open ``alarms`` would end."""
    changed: dict[str, tuple[str, ...]] = {}
    limits = []
    for channel in after.channels:
        place = before.channel_index.get(channel.id)
        if place is None or before.channels[place] is channel:
            continue
        old = before.channels[place]
        names = tuple(name for name in _FIELDS if getattr(old, name) != getattr(channel, name))
        if names:
            changed[channel.id] = names
        if old.limits != channel.limits:
            limits.append(LimitsChange(channel.id, old.limits, channel.limits))
    return Differences(
        facilities_added=_added(before.facilities, after.facilities),
        facilities_removed=_added(after.facilities, before.facilities),
        gateways_added=_added(before.gateways, after.gateways),
        gateways_removed=_added(after.gateways, before.gateways),
        channels_added=[one.id for one in after.channels if one.id not in before.channel_index],
        channels_removed=[one.id for one in before.channels if one.id not in after.channel_index],
        channels_changed=changed,
        limits_changed=limits,
        alarms_closing=[found for alarm in alarms if (found := _closing(alarm, after)) is not None],
    )


def _added(before: Iterable[Facility | Gateway], after: Iterable[Facility | Gateway]) -> list[str]:
    known = {one.id for one in before}
    return [one.id for one in after if one.id not in known]


def _closing(alarm: Alarm, after: Catalogue) -> ClosingAlarm | None:
    source = f"{alarm.channel}:{alarm.condition.value}" if alarm.instrument else alarm.channel
    if source not in after.channel_index and alarm.channel in after.channel_index:
        # A gateway's silence is a channel of its own and watches none.
        source = alarm.channel if ":" in alarm.channel else source
    reason = reason_to_close(after, alarm.channel, source, alarm.condition)
    return None if reason is None else ClosingAlarm(alarm.id, alarm.channel, reason)
