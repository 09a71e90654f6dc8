"""Documents and templates to one resolved catalogue; all faults told at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from domain.catalogue import Catalogue, Channel, Facility, FacilityKind, Quantity, Text
from storage.catalogue.arrange import arrange, check_flat, find_inputs, inherit, inputs_first
from storage.catalogue.channels import Draft, Resolver
from storage.catalogue.document import Faults, Place, parse_document, read_bytes
from storage.catalogue.faultchannels import fault_channels, gateway_channels
from storage.catalogue.resolve import scope_of
from storage.catalogue.sites import (
    Adoption,
    Site,
    add_adoptions,
    add_site,
    check_channels,
    check_gateways,
    check_profiles,
)
from storage.catalogue.specs import ChannelSpec
from storage.catalogue.templates import Templates, read_templates, with_site

FeatureFaults = Callable[[str, Mapping[str, Any], int], list[str]]
"""What is wrong with a feature of this kind, parameters and number of inputs, in sentences."""


def no_feature_faults(
    kind: str,  # noqa: ARG001
    parameters: Mapping[str, Any],  # noqa: ARG001
    inputs: int,  # noqa: ARG001
) -> list[str]:
    """Take every feature as it is."""
    return []


def load_catalogue(
    files: Sequence[Path],
    templates: Path | Templates,
    *,
    adoptions: Iterable[Adoption] = (),
    feature_faults: FeatureFaults = no_feature_faults,
) -> Catalogue:
    """Return the catalogue that ``files`` make, with revision 0; the store numbers it.

    ``templates`` is a folder, or what ``load_templates`` made of one. ``adoptions`` are replayed
    after the files; one whose name as sent the files know by now gives way to them.
    Raises ``CatalogueError`` with all faults.
    """
    faults = Faults()
    if not files:
        faults.add(Place("catalogue", 1), "no files given")
    documents = []
    for path in files:
        data = read_bytes(path, faults)
        if data is not None:
            documents.append((str(path), data))
    return build_catalogue(
        documents, templates, adoptions=adoptions, feature_faults=feature_faults, faults=faults
    )


def build_catalogue(
    documents: Sequence[tuple[str, bytes]],
    templates: Path | Templates,
    *,
    adoptions: Iterable[Adoption] = (),
    feature_faults: FeatureFaults = no_feature_faults,
    faults: Faults | None = None,
) -> Catalogue:
    """Return the catalogue of documents given as (file name, bytes); see ``load_catalogue``."""
    faults = faults if faults is not None else Faults()
    if isinstance(templates, Path):
        templates = read_templates(templates, faults)
    parsed = [parse_document(file, data, faults) for file, data in documents]
    branches = [branch for branch in parsed if branch is not None]
    templates = with_site(templates, branches, faults)
    site = Site()
    for branch in branches:
        add_site(site, branch, templates, faults)
    add_adoptions(site, adoptions, faults)
    catalogue = assemble(site, templates, feature_faults, faults)
    faults.raise_if_any()
    return catalogue


def assemble(
    site: Site, templates: Templates, feature_faults: FeatureFaults, faults: Faults
) -> Catalogue:
    """Return the catalogue of a site that has been read; faults noted."""
    check_gateways(site, faults)
    check_channels(site, faults)
    check_profiles(site, templates, faults)
    resolver = Resolver(templates, faults, site.profiles)
    drafts = drafts_of(site.channels, site.facilities, resolver)
    channels = resolve_drafts(drafts, {}, templates, feature_faults, faults)
    channels += gateway_faults(site, channels, templates, faults)
    facilities = tuple(site.facilities.values())
    return Catalogue(
        revision=0,
        name=site.name or Text("", ""),
        kinds=used_kinds(facilities, templates),
        quantities=quantities_for(facilities, channels, templates),
        facilities=facilities,
        gateways=tuple(site.gateways.values()),
        channels=arrange(channels),
        profiles=tuple(site.profiles.values()),
    )


def drafts_of(
    specs: Iterable[tuple[str, ChannelSpec]], facilities: Mapping[str, Facility], resolver: Resolver
) -> list[Draft]:
    """Return the drafts of all channels as written; ids that stand twice are faults."""
    drafts: dict[str, Draft] = {}
    for facility_id, spec in specs:
        facility = facilities.get(facility_id)
        if facility is None:
            continue
        for draft in resolver.drafts(spec, facility):
            first = drafts.setdefault(draft.channel.id, draft)
            if first is not draft:
                there = f"{first.place.file}:{first.place.line}"
                message = f"a second channel {draft.channel.id}, the first in {there}"
                resolver.faults.add(draft.place, message, "give it another id")
    return list(drafts.values())


def resolve_drafts(
    drafts: list[Draft],
    others: Mapping[str, Channel],
    templates: Templates,
    feature_faults: FeatureFaults,
    faults: Faults,
) -> list[Channel]:
    """Return the channels of drafts and of their faults; ``others`` are those there already."""
    known = {**others, **{draft.channel.id: draft.channel for draft in drafts}}
    measured = [draft for draft in drafts if draft.channel.feature is None]
    derived = [draft for draft in drafts if draft.channel.feature is not None]
    find_inputs(derived, known, faults)
    derived = inputs_first(derived, faults)
    inherit(derived, known)
    check_flat((*measured, *derived), faults)
    for draft in derived:
        feature = draft.channel.feature
        if feature is not None:
            for message in feature_faults(feature.kind, feature.parameters, len(feature.inputs)):
                faults.add(draft.place, f"the feature of {draft.scope.what}: {message}")
    channels = [draft.channel for draft in (*measured, *derived)]
    for draft in (*measured, *derived):
        channels.extend(fault_channels(draft, templates))
    return channels


def gateway_faults(
    site: Site, channels: Iterable[Channel], templates: Templates, faults: Faults
) -> list[Channel]:
    """Return the channels of the gateways' own faults, of those whose facility is known.

    A gateway is expected at its upload interval, else at the smallest sample interval of its
    channels, else each minute.
    """
    intervals_s: dict[str, float] = {}
    for channel in channels:
        if channel.gateway is not None:
            known_s = intervals_s.get(channel.gateway, channel.sample_interval_s)
            intervals_s[channel.gateway] = min(known_s, channel.sample_interval_s)
    found: list[Channel] = []
    for gateway in site.gateways.values():
        facility = site.facilities.get(gateway.facility)
        if facility is None:
            continue
        interval_s = max(gateway.upload_interval_s, intervals_s.get(gateway.id, 0.0)) or 60.0
        place = site.gateway_places[gateway.id]
        own = site.gateway_faults.get(gateway.id, {})
        scope = scope_of(place, f"gateway {gateway.id}", facility, faults)
        found += gateway_channels(gateway, interval_s, own, scope, templates)
    return found


def used_kinds(facilities: Iterable[Facility], templates: Templates) -> tuple[FacilityKind, ...]:
    """Return the kinds that facilities have, by id."""
    kinds = sorted({facility.kind for facility in facilities})
    return tuple(templates.kinds[kind] for kind in kinds if kind in templates.kinds)


def quantities_for(
    facilities: Iterable[Facility], channels: Iterable[Channel], templates: Templates
) -> tuple[Quantity, ...]:
    """Return the quantities that channels have, and those that could be adopted, by id."""
    quantities = {template.quantity.id: template.quantity for template in templates.faults.values()}
    for (_, name), template in templates.quantities.items():
        quantities[name] = template.quantity
    names = {channel.quantity for channel in channels}
    for kind in {facility.kind for facility in facilities}:
        names.update(templates.quantities_of(kind))
    return tuple(quantities[name] for name in sorted(names) if name in quantities)
