"""A site's documents: facilities, gateways and channels as written, with the adopted ones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from domain.catalogue import NORMAL_PROFILE, Facility, Gateway, Profile, Text
from storage.catalogue.document import Branch, Faults, Place, plain, shorten
from storage.catalogue.section import (
    SENT_AS_LENGTH_MAX,
    Section,
    id_problem,
    is_zone,
)
from storage.catalogue.specs import (
    CHANNEL_KEYS,
    FROM_TEMPLATE,
    ChannelSpec,
    FaultSpec,
    ProfileSpec,
    read_channel,
    read_fault_specs,
    read_overrides,
    unknown,
)
from storage.catalogue.templates import SITE, Templates

_DOCUMENT_KEYS = ("name", "profiles", "gateways", "facilities", "quantities", "kinds")
_GATEWAY_KEYS = ("id", "district", "facility", "name", "zone", "upload_interval_s", "faults")
_FACILITY_KEYS = ("id", "kind", "name", "district", "location", "attributes", "channels")
_SITE_CHANNEL_KEYS = ("id", "gateway", "sent_as", "features", *CHANNEL_KEYS)


@dataclass(frozen=True, slots=True)
class Adoption:
    """A name that a gateway sent and a person took into the catalogue.

    ``channel_id`` is the full id. The service keeps adoptions beside the files and gives both to
    ``load_catalogue``, so that importing the files again keeps them.
    """

    gateway: str
    district: str
    sent_as: str
    facility: str
    quantity: str
    channel_id: str
    name: Text
    sample_interval_s: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    zone: str = "UTC"

    def to_plain(self) -> dict[str, Any]:
        """Return the adoption as plain values, for JSON."""
        return {
            "gateway": self.gateway,
            "district": self.district,
            "sent_as": self.sent_as,
            "facility": self.facility,
            "quantity": self.quantity,
            "channel_id": self.channel_id,
            "name": {"zh": self.name.zh, "en": self.name.en},
            "sample_interval_s": self.sample_interval_s,
            "parameters": dict(self.parameters),
            "zone": self.zone,
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Adoption":
        """Return the adoption that ``to_plain`` wrote."""
        return cls(**{**values, "name": Text(**values["name"])})


@dataclass(slots=True)
class Site:
    """What the documents say, as far as it could be read."""

    name: Text | None = None
    profiles: dict[str, Profile] = field(default_factory=dict)
    facilities: dict[str, Facility] = field(default_factory=dict)
    facility_places: dict[str, Place] = field(default_factory=dict)
    gateways: dict[str, Gateway] = field(default_factory=dict)
    gateway_places: dict[str, Place] = field(default_factory=dict)
    gateway_faults: dict[str, Mapping[str, FaultSpec]] = field(default_factory=dict)
    channels: list[tuple[str, ChannelSpec]] = field(default_factory=list)
    sent: dict[tuple[str, str], ChannelSpec] = field(default_factory=dict)


def add_site(site: Site, branch: Branch, templates: Templates, faults: Faults) -> None:
    """Read one document into ``site``."""
    section = Section(branch, faults, "the document", _DOCUMENT_KEYS)
    if section.has("name"):
        name = section.names("name", Text("", ""))
        if site.name is not None and site.name != name:
            section.fault("name", "another document gives another name", "keep one")
        site.name = site.name or name
    for inner in section.branches("profiles"):
        _add_profile(site, inner, faults)
    for inner in section.branches("gateways"):
        _add_gateway(site, inner, faults)
    for inner in section.branches("facilities"):
        _add_facility(site, inner, templates, faults)


def _add_profile(site: Site, branch: Branch, faults: Faults) -> None:
    section = Section(branch, faults, "a profile", ("id", "name"))
    profile = section.identifier("id", slash=False)
    name = section.names("name", Text(profile, profile))
    if profile == NORMAL_PROFILE:
        section.fault("id", "`normal` is the name of no profile", "give it another id")
    elif profile in site.profiles and site.profiles[profile] != Profile(profile, name):
        section.fault("id", f"the profile `{profile}` stands elsewhere with another name")
    elif profile:
        site.profiles[profile] = Profile(profile, name)


def _add_gateway(site: Site, branch: Branch, faults: Faults) -> None:
    section = Section(branch, faults, "a gateway", _GATEWAY_KEYS)
    gateway = section.identifier("id", slash=False)
    section.what = f"gateway {gateway}" if gateway else section.what
    zone = section.text("zone", "UTC")
    if not is_zone(zone):
        section.fault("zone", f"no time zone `{shorten(zone)}`", "such as Asia/Shanghai")
    read = Gateway(
        id=gateway,
        district=section.identifier("district", slash=False),
        name=section.names("name", Text(gateway, gateway)),
        facility=section.identifier("facility"),
        zone=zone,
        upload_interval_s=section.number("upload_interval_s", 0.0, low=0.0) or 0.0,
    )
    own = read_fault_specs(section, ("silent", "overload"))
    if not gateway:
        return
    if gateway in site.gateways:
        there = site.gateway_places[gateway]
        message = f"a second gateway {gateway}, the first in {there.file}:{there.line}"
        section.fault("id", message, "give it another id")
        return
    site.gateways[gateway] = read
    site.gateway_places[gateway] = section.place
    site.gateway_faults[gateway] = own


def _add_facility(site: Site, branch: Branch, templates: Templates, faults: Faults) -> None:
    section = Section(branch, faults, "a facility", _FACILITY_KEYS)
    facility = section.identifier("id")
    section.what = f"facility {facility}" if facility else section.what
    kind = section.identifier("kind", slash=False)
    if kind and kind not in templates.kinds:
        known = list(templates.kinds)
        unknown(faults, branch.place_of("kind"), "kind of facility", kind, known)
    section.require("name")
    longitude, latitude = _location(section)
    attributes = section.mapping("attributes")
    dossier = Section(attributes, faults, f"attributes of {facility}", attributes)
    for key in attributes:
        dossier.finite(key)
    read = Facility(
        id=facility,
        kind=kind,
        name=section.names("name", Text("", "")),
        district=section.identifier("district", slash=False),
        longitude_deg=longitude,
        latitude_deg=latitude,
        attributes=plain(attributes),
    )
    if facility in site.facilities:
        there = site.facility_places[facility]
        message = f"a second facility {facility}, the first in {there.file}:{there.line}"
        section.fault("id", message, "give it another id")
    elif facility:
        site.facilities[facility] = read
        site.facility_places[facility] = section.place
    for inner in section.branches("channels"):
        _add_channel(site, facility, inner, faults)


def _location(section: Section) -> tuple[float | None, float | None]:
    """Return longitude and latitude in degrees, WGS 84; ``None`` where they are not given."""
    if not section.has("location"):
        return None, None
    numbers = [
        float(item)
        for _, item in section.items("location")
        if isinstance(item, int | float) and not isinstance(item, bool)
    ]
    inside = len(numbers) == 2 and abs(numbers[0]) <= 180 and abs(numbers[1]) <= 90
    if not inside or len(numbers) != len(section.branch["location"]):
        message = f"`location` of {section.what} must be [longitude, latitude] in degrees"
        section.fault("location", message)
        return None, None
    return numbers[0], numbers[1]


def _add_channel(site: Site, facility: str, branch: Branch, faults: Faults) -> None:
    section = Section(branch, faults, "a channel", _SITE_CHANNEL_KEYS)
    channel = section.identifier("id")
    section.what = f"channel {channel}" if channel else section.what
    spec = read_channel(section, channel)
    if spec.feature is not None:
        for key in ("gateway", "sent_as", "features"):
            if section.has(key):
                section.fault(key, f"{section.what} is derived: it has no `{key}`")
    elif section.has("feature"):
        section.fault("feature", f"`feature` of {section.what} must be a mapping with `kind`")
    else:
        spec = _measured(section, spec)
    if channel and facility:
        site.channels.append((facility, spec))


def _measured(section: Section, spec: ChannelSpec) -> ChannelSpec:
    """Return the spec with what a measured channel has besides: its gateway and name as sent."""
    for key in ("limits", "checks"):
        if section.branch.get(key) == FROM_TEMPLATE:
            section.fault(key, f"{section.what} is measured: leave `{key}` out")
    sent_as = ""
    if section.require("sent_as"):
        sent_as = section.text("sent_as", length_max=SENT_AS_LENGTH_MAX)
    return replace(
        spec,
        gateway=section.identifier("gateway", slash=False),
        sent_as=sent_as,
        features=read_overrides(section, "features", section.what),
    )


def check_gateways(site: Site, faults: Faults) -> None:
    """Note gateways of facilities that are not there."""
    for gateway in site.gateways.values():
        if gateway.facility and gateway.facility not in site.facilities:
            place = site.gateway_places[gateway.id]
            unknown(faults, place, "facility", gateway.facility, list(site.facilities))


def check_profiles(site: Site, templates: Templates, faults: Faults) -> None:
    """Note limits for profiles that the site does not list; templates may know more of them."""
    said: list[Mapping[str, ProfileSpec]] = []
    for _, spec in site.channels:
        said.append(spec.profile_limits)
        said += [one.profile_limits for one in spec.features.values() if one is not None]
    for (owner, _), template in templates.quantities.items():
        if owner == SITE:
            said.append(template.profile_limits)
            said += [one.profile_limits for one in template.features.values()]
    files = {
        place.file for place in (*site.facility_places.values(), *site.gateway_places.values())
    }
    for specs in said:
        for profile, own in specs.items():
            if profile not in site.profiles and own.place.file in files:
                unknown(faults, own.place, "profile", profile, list(site.profiles))


def check_channels(site: Site, faults: Faults) -> None:
    """Note channels of gateways that are not there, and names sent twice by one gateway."""
    for _, spec in site.channels:
        if not spec.gateway:
            continue
        if spec.gateway not in site.gateways:
            unknown(faults, spec.place, "gateway", spec.gateway, list(site.gateways))
        first = site.sent.setdefault((spec.gateway, spec.sent_as), spec)
        if first is not spec and spec.sent_as:
            there = f"channel {first.id} in {first.place.file}:{first.place.line}"
            message = f"gateway {spec.gateway} sends `{shorten(spec.sent_as)}` for {there} already"
            faults.add(spec.place, message, "one channel for each name as sent")


def add_adoptions(site: Site, adoptions: Iterable[Adoption], faults: Faults) -> None:
    """Add adopted channels to ``site``, but for those that the documents have overtaken.

    An adoption gives way where its name is registered by now, and where its facility is gone, since
    a facility that is taken out must not keep the service from starting; its name is then
    unregistered again, for everybody to see.
    """
    sent = {(spec.gateway, spec.sent_as) for _, spec in site.channels}
    for adoption in adoptions:
        known = (adoption.gateway, adoption.sent_as) in sent
        if not known and adoption.facility in site.facilities:
            add_adoption(site, adoption, faults)


def add_adoption(site: Site, adoption: Adoption, faults: Faults) -> None:
    """Add one adopted channel, and its gateway where that is unknown."""
    place = adoption_place(adoption)
    for text, slash in ((adoption.gateway, False), (adoption.district, False)):
        if problem := id_problem(text, slash=slash):
            faults.add(place, problem)
    if not adoption.sent_as or len(adoption.sent_as) > SENT_AS_LENGTH_MAX:
        faults.add(place, f"a name as sent has 1 to {SENT_AS_LENGTH_MAX} characters")
    if adoption.facility not in site.facilities:
        unknown(faults, place, "facility", adoption.facility, list(site.facilities))
        return
    if not is_zone(adoption.zone):
        faults.add(place, f"no time zone `{shorten(adoption.zone)}`", "such as Asia/Shanghai")
    gateway = site.gateways.get(adoption.gateway)
    if gateway is None:
        name = Text(adoption.gateway, adoption.gateway)
        site.gateways[adoption.gateway] = Gateway(
            adoption.gateway, adoption.district, name, adoption.facility, adoption.zone
        )
        site.gateway_places[adoption.gateway] = place
    elif gateway.district != adoption.district:
        message = f"gateway {gateway.id} is of district {gateway.district}"
        faults.add(place, f"{message}, not of {shorten(adoption.district)}")
    site.channels.append((adoption.facility, _adopted_spec(adoption, place, faults)))


def adoption_place(adoption: Adoption) -> Place:
    """Return what stands for the file where an adoption is at fault."""
    return Place(f"adoption of {adoption.gateway}/{shorten(adoption.sent_as)}", 1)


def _adopted_spec(adoption: Adoption, place: Place, faults: Faults) -> ChannelSpec:
    short = adoption.channel_id.removeprefix(f"{adoption.facility}/")
    branch = Branch(place)
    branch.update(
        quantity=adoption.quantity,
        sample_interval_s=adoption.sample_interval_s,
        parameters=_branch_of(adoption.parameters, place),
    )
    section = Section(branch, faults, f"channel {shorten(short)}", _SITE_CHANNEL_KEYS)
    if problem := id_problem(short):
        faults.add(place, problem)
    spec = read_channel(section, short)
    return replace(spec, name=adoption.name, gateway=adoption.gateway, sent_as=adoption.sent_as)


def _branch_of(values: Mapping[str, Any], place: Place) -> Branch:
    branch = Branch(place)
    branch.update(values)
    return branch
