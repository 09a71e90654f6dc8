"""Taking a name that a gateway sends into the catalogue, by its quantity's template."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from domain.catalogue import Catalogue, Channel, Text
from storage.catalogue.arrange import arrange
from storage.catalogue.build import (
    FeatureFaults,
    drafts_of,
    gateway_faults,
    no_feature_faults,
    quantities_for,
    resolve_drafts,
)
from storage.catalogue.channels import Resolver
from storage.catalogue.document import Faults
from storage.catalogue.sites import Adoption, Site, add_adoption, adoption_place
from storage.catalogue.templates import Templates, read_templates


def adopt(
    catalogue: Catalogue,
    gateway_id: str,
    district: str,
    sent_as: str,
    *,
    facility: str,
    quantity: str,
    channel_id: str,
    name: Text,
    templates: Path | Templates,
    sample_interval_s: float | None = None,
    parameters: Mapping[str, Any] | None = None,
    zone: str = "UTC",
    feature_faults: FeatureFaults = no_feature_faults,
) -> Catalogue:
    """Return the catalogue, revision 0, with one measured channel more, and its gateway if new.

    ``channel_id`` is the full id, or the part after the facility's. The channel comes with all
    that its quantity's template makes. Raises ``CatalogueError``. The ``Adoption`` of the same
    words, given to ``load_catalogue``, makes the same channels of the files.
    """
    if not channel_id.startswith(f"{facility}/"):
        channel_id = f"{facility}/{channel_id}"
    adoption = Adoption(
        gateway_id, district, sent_as, facility, quantity, channel_id, name, sample_interval_s,
        dict(parameters or {}), zone,
    )  # fmt: skip
    return adopt_one(catalogue, adoption, templates, feature_faults)


def adopt_one(
    catalogue: Catalogue,
    adoption: Adoption,
    templates: Path | Templates,
    feature_faults: FeatureFaults = no_feature_faults,
) -> Catalogue:
    """Return the catalogue with what ``adoption`` adds; see ``adopt``."""
    faults = Faults()
    if isinstance(templates, Path):
        templates = read_templates(templates, faults)
    place = adoption_place(adoption)
    site = _site_of(catalogue, adoption)
    index = catalogue.sent_index.get((adoption.gateway, adoption.sent_as))
    if index is not None:
        message = f"the name is channel {catalogue.channels[index].id} already"
        faults.add(place, message)
    add_adoption(site, adoption, faults)
    drafts = drafts_of(site.channels, site.facilities, Resolver(templates, faults, site.profiles))
    for draft in drafts:
        if draft.channel.id in catalogue.channel_index:
            message = f"a channel {draft.channel.id} is there already"
            faults.add(place, message, "give it another id")
    others = {channel.id: channel for channel in catalogue.channels}
    added = resolve_drafts(drafts, others, templates, feature_faults, faults)
    faults.raise_if_any()
    return _joined(catalogue, site, added, templates)


def _site_of(catalogue: Catalogue, adoption: Adoption) -> Site:
    place = adoption_place(adoption)
    return Site(
        profiles=dict(catalogue.profile_by_id),
        facilities=dict(catalogue.facility_by_id),
        gateways={gateway.id: gateway for gateway in catalogue.gateways},
        gateway_places={gateway.id: place for gateway in catalogue.gateways},
    )


def _joined(
    catalogue: Catalogue, site: Site, added: list[Channel], templates: Templates
) -> Catalogue:
    channels = {channel.id: channel for channel in (*catalogue.channels, *added)}
    for fault in gateway_faults(site, channels.values(), templates, Faults()):
        old = channels.get(fault.id)
        if old is not None:
            channels[fault.id] = replace(old, sample_interval_s=fault.sample_interval_s)
        elif fault.gateway not in catalogue.gateway_index:
            channels[fault.id] = fault
    quantities = {
        quantity.id: quantity
        for quantity in quantities_for(site.facilities.values(), channels.values(), templates)
    }
    quantities.update(catalogue.quantity_by_id)
    return replace(
        catalogue,
        revision=0,
        gateways=tuple(site.gateways.values()),
        quantities=tuple(quantities[name] for name in sorted(quantities)),
        channels=arrange(channels.values()),
    )
