"""From a channel as written to the channels it stands for: its own, and its template's features."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.catalogue import Channel, Facility, Feature, Limit, Text
from domain.grade import Grade
from storage.catalogue.document import Faults, Place, shorten
from storage.catalogue.resolve import (
    Scope,
    check_reach,
    resolve_checks,
    resolve_limits,
    resolve_parameters,
    scope_of,
)
from storage.catalogue.section import id_problem, suggest
from storage.catalogue.specs import ChannelSpec, FaultSpec, LimitSpec, ProfileSpec, unknown
from storage.catalogue.templates import QuantityTemplate, Templates

SITE_SOURCE = "the site's catalogue"


@dataclass(slots=True)
class Draft:
    """A channel whose inputs still wait to be found, with what its fault channels need."""

    channel: Channel
    place: Place
    scope: Scope
    faults: Mapping[str, FaultSpec]
    asked: Mapping[str, FaultSpec]  # of these, the ones the channel itself names
    on_change: bool | None
    sample_interval_s: float | None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The ids of the inputs, as written until they are found."""
        return self.channel.feature.inputs if self.channel.feature else ()


@dataclass(frozen=True, slots=True)
class Resolver:
    """Makes drafts of channel specs. ``profiles`` are those of the site, by id."""

    templates: Templates
    faults: Faults
    profiles: Container[str] = ()

    def drafts(self, spec: ChannelSpec, facility: Facility) -> Iterator[Draft]:
        """Return the drafts of one channel as written: its own first, then its template's."""
        template = self.template(spec, facility)
        scope = scope_of(
            spec.place, spec.id, facility, self.faults, given=spec.parameters, template=template
        )
        full_id = f"{facility.id}/{spec.id}"
        if spec.feature is not None:
            yield self.derived(spec, template, scope, full_id)
            return
        own = self.measured(spec, template, scope, full_id)
        yield own
        for suffix, made in self.made(spec, template):
            named = (
                self.template(replace(made, place=spec.place), facility) if made.quantity else None
            )
            yield self.derived(
                _within(made, full_id, scope), named or template, scope,
                f"{full_id}/{suffix}", own,
            )  # fmt: skip

    def template(self, spec: ChannelSpec, facility: Facility) -> QuantityTemplate | None:
        """Return the template of a channel's quantity; a fault where there is none."""
        if not spec.quantity:
            self.faults.add(spec.place, f"channel {spec.id} needs `quantity`", "add `quantity:`")
            return None
        template = self.templates.find(facility.kind, spec.quantity)
        if template is None and facility.kind in self.templates.kinds:
            known = self.templates.quantities_of(facility.kind)
            noun = f"quantity for a {facility.kind}"
            unknown(self.faults, spec.place, noun, spec.quantity, known)
        return template

    def measured(
        self,
        spec: ChannelSpec,
        template: QuantityTemplate | None,
        scope: Scope,
        full_id: str,
    ) -> Draft:
        """Return the draft of a measured channel."""
        interval_s = spec.sample_interval_s
        if interval_s is None and template is not None:
            interval_s = template.sample_interval_s
        if interval_s is None:
            message = f"channel {spec.id} needs `sample_interval_s`"
            self.faults.add(spec.place, message, "its template has no default")
        limits = spec.limits if spec.limits is not None else _limits(template)
        checks = {**(template.checks if template else {}), **spec.checks}
        name = spec.name or (template.quantity.name if template else Text("", ""))
        on_change = first(spec.on_change, template.on_change if template else None, False)
        faults = {**(template.faults if template else {}), **spec.faults}
        channel = Channel(
            id=full_id,
            facility=scope.facility,
            name=name,
            quantity=spec.quantity,
            sample_interval_s=interval_s or 1.0,
            gateway=spec.gateway,
            sent_as=spec.sent_as,
            on_change=on_change,
            commissioning=bool(spec.commissioning),
            latching=first(spec.latching, template.latching if template else None, False),
            acknowledge_up_to=first(
                spec.acknowledge_up_to, template.acknowledge_up_to if template else None,
                Grade.NORMAL,
            ),
            source=source_of(limits, spec.source or _source(template, spec.limits)),
            retention=first(
                spec.retention, template.retention if template else None, self.templates.retention
            ),
        )  # fmt: skip
        profiles = _profiles(spec, template if spec.limits is None else None)
        channel = self.judged(channel, (limits, profiles), checks, scope, spec.checks_place)
        return Draft(channel, spec.place, scope, faults, spec.faults, on_change, interval_s)

    def derived(
        self,
        spec: ChannelSpec,
        template: QuantityTemplate | None,
        scope: Scope,
        full_id: str,
        parent: Draft | None = None,
    ) -> Draft:
        """Return the draft of a derived channel; ``parent`` where a template makes it."""
        assert spec.feature is not None  # noqa: S101  the caller looked
        own = _limits(template) if spec.limits_of_template else ()
        limits = spec.limits if spec.limits is not None else own
        checks = {**(template.checks if template and spec.checks_of_template else {})}
        name = spec.name or (template.quantity.name if template else Text(spec.id, spec.id))
        if parent is not None:
            above = parent.channel.name
            name = Text(f"{above.zh} · {name.zh}", f"{above.en} · {name.en}")
        parameters = resolve_parameters(spec.feature, scope)
        source = spec.source or _source(template if parent else None, spec.limits)
        channel = Channel(
            id=full_id,
            facility=scope.facility,
            name=name,
            quantity=spec.quantity or (parent.channel.quantity if parent else ""),
            sample_interval_s=spec.sample_interval_s or 1.0,
            feature=Feature(spec.feature.kind, spec.feature.inputs, parameters),
            commissioning=bool(spec.commissioning),
            latching=bool(spec.latching),
            acknowledge_up_to=first(spec.acknowledge_up_to, None, Grade.NORMAL),
            source=source_of(limits, source),
            # Not the parent's: what is derived from a waveform is few, and tells most of it.
            retention=first(spec.retention, self.templates.retention),
        )
        profiles = _profiles(spec, template if limits is own else None)
        checks = {**checks, **spec.checks}
        channel = self.judged(channel, (limits, profiles), checks, scope, spec.checks_place)
        interval_s = spec.sample_interval_s
        return Draft(
            channel, spec.place if parent is None else parent.place, scope, spec.faults,
            spec.faults, spec.on_change, interval_s,
        )  # fmt: skip

    def judged(
        self,
        channel: Channel,
        given: tuple[tuple[LimitSpec, ...], Mapping[str, ProfileSpec]],
        checks: Mapping[str, Any],
        scope: Scope,
        checks_place: Place,
    ) -> Channel:
        """Return the channel with its limits, those of profiles, and its checks in numbers."""
        limits, profiles = given
        problem = id_problem(channel.id)
        if problem:
            self.faults.add(scope.place, problem, "a shorter id")
        numbers = resolve_checks(checks, checks_place, scope)
        resolved = resolve_limits(limits, scope)
        check_reach(resolved, numbers, scope)
        in_profiles: dict[str, tuple[Limit, ...]] = {}
        for profile, spec in profiles.items():
            if spec.limits is None or profile not in self.profiles:
                continue
            within = replace(scope, what=f"{scope.what} in the profile {profile}")
            in_profiles[profile] = resolve_limits(spec.limits, within)
            check_reach(in_profiles[profile], numbers, within)
        return replace(channel, limits=resolved, checks=numbers, profile_limits=in_profiles)

    def made(
        self, spec: ChannelSpec, template: QuantityTemplate | None
    ) -> Iterator[tuple[str, ChannelSpec]]:
        """Return the template's features, with what the channel says of them."""
        made = template.features if template else {}
        for suffix in spec.features:
            if suffix not in made and suffix != "*":
                message = f"quantity {spec.quantity} makes no feature `{shorten(suffix)}`"
                self.faults.add(spec.place, message, suggest(suffix, made))
        if "*" in spec.features:
            return
        for suffix, of_template in made.items():
            if suffix in spec.features and spec.features[suffix] is None:
                continue
            own = spec.features.get(suffix)
            merged = _merged(of_template, own) if own is not None else of_template
            yield (
                suffix,
                replace(
                    merged,
                    commissioning=first(merged.commissioning, spec.commissioning, False),
                    latching=first(merged.latching, spec.latching, False),
                    acknowledge_up_to=first(
                        merged.acknowledge_up_to, spec.acknowledge_up_to, Grade.NORMAL
                    ),
                ),
            )


def first(*values: Any) -> Any:
    """Return the first value that is given, the last where none is."""
    return next((value for value in values if value is not None), values[-1])


def _limits(template: QuantityTemplate | None) -> tuple[LimitSpec, ...]:
    return template.limits if template else ()


def _profiles(spec: ChannelSpec, template: QuantityTemplate | None) -> Mapping[str, ProfileSpec]:
    """Return what is said of profiles; the template's go with its limits."""
    return {**(template.profile_limits if template else {}), **spec.profile_limits}


def _source(template: QuantityTemplate | None, own: tuple[LimitSpec, ...] | None) -> str:
    """Return the template's source, where the limits are the template's."""
    return template.source if template is not None and own is None else ""


def _merged(of_template: ChannelSpec, own: ChannelSpec) -> ChannelSpec:
    """Return a template's feature with what a channel says of it."""
    given = {
        key: getattr(own, key)
        for key in ("name", "sample_interval_s", "limits", "latching", "on_change",
                    "commissioning", "acknowledge_up_to", "retention")
        if getattr(own, key) is not None
    }  # fmt: skip
    return replace(
        of_template,
        checks={**of_template.checks, **own.checks},
        faults={**of_template.faults, **own.faults},
        profile_limits={
            **(of_template.profile_limits if own.limits is None else {}),
            **own.profile_limits,
        },
        quantity=own.quantity or of_template.quantity,
        source=own.source or (of_template.source if own.limits is None else ""),
        **given,
    )


def _within(made: ChannelSpec, parent_id: str, scope: Scope) -> ChannelSpec:
    """Return a template's feature with its inputs named: ``.``, ``./suffix`` or ``=parameter``."""
    assert made.feature is not None  # noqa: S101  templates are refused without
    inputs = []
    for name in made.feature.inputs or (".",):
        if name == ".":
            inputs.append(parent_id)
        elif name.startswith("./"):
            inputs.append(f"{parent_id}/{name[2:]}")
        elif name.startswith("="):
            wanted = name[1:].strip()
            if wanted not in scope.texts:
                message = f"{scope.what} needs the parameter `{shorten(wanted)}`, a channel's id"
                scope.faults.add(scope.place, message)
            inputs.append(scope.texts.get(wanted, parent_id))
        else:
            inputs.append(name)
    return replace(made, feature=replace(made.feature, inputs=tuple(inputs)))


def source_of(limits: tuple[LimitSpec, ...], default: str) -> str:
    """Return where limits come from: each source once, in order."""
    if not limits:
        return default
    return "; ".join(dict.fromkeys(spec.source or default or SITE_SOURCE for spec in limits))
