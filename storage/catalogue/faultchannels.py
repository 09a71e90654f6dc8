"""The channels of instrument faults: of channels as resolved, and of gateways."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from domain.catalogue import Channel, Checks, Gateway, Text
from domain.grade import FaultKind, Grade
from storage.catalogue.channels import Draft, first, source_of
from storage.catalogue.resolve import Scope, resolve_limits
from storage.catalogue.specs import FaultSpec
from storage.catalogue.templates import GATEWAY_FAULTS, FaultTemplate, Templates


def wanted_faults(checks: Checks, *, measured: bool, on_change: bool) -> dict[FaultKind, bool]:
    """Return which kinds of fault a channel can have."""
    return {
        FaultKind.RANGE: checks.fail_low is not None or checks.fail_high is not None,
        FaultKind.STUCK: checks.flat_s is not None,
        FaultKind.NOISE: checks.spike is not None or checks.rate_per_s is not None,
        FaultKind.CLOCK: measured,
        FaultKind.SILENT: measured and not on_change,
    }


_WANTS = {
    FaultKind.RANGE: "a fail range (checks: fail_low, fail_high)",
    FaultKind.STUCK: "checks: flat_s",
    FaultKind.NOISE: "checks: spike or rate_per_s",
    FaultKind.CLOCK: "a measured channel",
    FaultKind.SILENT: "a measured channel that does not report on change",
}


def fault_channels(draft: Draft, templates: Templates) -> Iterator[Channel]:
    """Return the channels of a channel's instrument faults."""
    channel = draft.channel
    wanted = wanted_faults(
        channel.checks, measured=channel.gateway is not None, on_change=channel.on_change
    )
    for kind, possible in wanted.items():
        own = draft.faults.get(kind.value)
        template = templates.faults.get(kind.value)
        asked = draft.asked.get(kind.value)
        if not possible and asked is not None and asked.on:
            message = f"`{kind.value}` of {draft.scope.what} needs {_WANTS[kind]}"
            draft.scope.faults.add(asked.place, message)
        if not possible or template is None or (own is not None and not own.on):
            continue
        reports_on_change = kind in (FaultKind.SILENT, FaultKind.CLOCK) or channel.on_change
        yield replace(
            _fault_channel(template, own, draft.scope, channel.name),
            id=f"{channel.id}:{kind.value}",
            facility=channel.facility,
            sample_interval_s=channel.sample_interval_s,
            fault=kind,
            fault_of=channel.id,
            on_change=reports_on_change,
            commissioning=channel.commissioning,
        )


def _fault_channel(
    template: FaultTemplate, own: FaultSpec | None, scope: Scope, name: Text
) -> Channel:
    spec = template.spec
    own_limits = own.limits if own is not None else None
    limits = own_limits if own_limits is not None else (spec.limits or ())
    own_source = own.source if own is not None else ""
    default = own_source or (spec.source if own_limits is None else "")
    return Channel(
        id="",
        facility="",
        name=Text(f"{name.zh} · {template.name.zh}", f"{name.en} · {template.name.en}"),
        quantity=template.quantity.id,
        sample_interval_s=1.0,
        limits=resolve_limits(limits, scope),
        latching=first(own.latching if own else None, spec.latching, False),
        acknowledge_up_to=first(
            own.acknowledge_up_to if own else None, spec.acknowledge_up_to, Grade.NORMAL
        ),
        source=source_of(limits, default),
    )


def gateway_channels(
    gateway: Gateway,
    interval_s: float,
    specs: Mapping[str, FaultSpec],
    scope: Scope,
    templates: Templates,
) -> Iterator[Channel]:
    """Return the channels of a gateway's own faults, but for those the site has turned off."""
    for name, kind in GATEWAY_FAULTS.items():
        template, own = templates.faults.get(name), specs.get(kind.value)
        if template is None or (own is not None and not own.on):
            continue
        yield replace(
            _fault_channel(template, own, scope, gateway.name),
            id=f"gateway/{gateway.id}:{kind.value}",
            facility=gateway.facility,
            sample_interval_s=interval_s,
            gateway=gateway.id,
            fault=kind,
            on_change=True,
        )
