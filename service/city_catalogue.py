"""The catalogue of a city of any size: one channel of each variety resolved, the others its copies.

Reading 85,000 channels of YAML would take minutes. One facility of each kind is written and resolved with
the templates, as a site's file would be; every facility of the city is then made of copies of its
channels, with their features and fault channels. What else is to be known (the sites of scenarios and
recordings that are mixed in) is resolved beside it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from domain.catalogue import Catalogue, Channel, Facility, Gateway, Text
from service.importing import feature_faults
from service.settings import ROOT
from simulators.city import CityFacility, facilities_of
from simulators.city_mix import MIX, WAVE, Mix, Variety
from storage.catalogue.arrange import arrange
from storage.catalogue.build import build_catalogue
from storage.catalogue.revisions import CatalogueStore
from storage.collector import held_off
from storage.state import StateEngine

TEMPLATES = ROOT / "config" / "templates"
MODEL = "model"
NAME = {"zh": "千桥市（负载）", "en": "Thousand Bridges (load)"}
SAMPLE_INTERVAL_S = 60
# A load that ends, or begins late, is not to be taken for thousands of gateways that fell silent.
UPLOAD_INTERVAL_S = 3600


def city_catalogue(channels: int, besides: Sequence[Path] = ()) -> Catalogue:
    """Return the catalogue of a city of so many channels, and of the files ``besides``."""
    models = _models() if besides else {"name": NAME, **_models()}  # a site has one name
    documents = [("city", yaml.safe_dump(models, allow_unicode=True).encode())]
    documents += [(str(path), path.read_bytes()) for path in dict.fromkeys(besides)]
    small = build_catalogue(documents, TEMPLATES, feature_faults=feature_faults)
    copied = _Models.of(small)
    made: list[Channel] = [one for one in small.channels if not _is_model(one.facility)]
    facilities = [one for one in small.facilities if not _is_model(one.id)]
    gateways = [one for one in small.gateways if not _is_model(one.facility)]
    with held_off():
        for facility in facilities_of(channels):
            facilities.append(copied.facility(facility))
            gateways.append(copied.gateway(facility))
            made += copied.channels(facility)
        return replace(
            small, facilities=tuple(facilities), gateways=tuple(gateways), channels=arrange(made)
        )


async def save_city(catalogue: Catalogue, location: str, at_ns: int) -> int:
    """Save the catalogue as the newest revision of a state database; return its number.

    A service that runs on it takes the revision within seconds, another one when it starts.
    """
    state = await StateEngine.open(location)
    try:
        note = f"a city of {len(catalogue.facilities)} facilities"
        with held_off():
            return await CatalogueStore(state).save(catalogue, "simulate", at_ns, note, "")
    finally:
        await state.close()


def _is_model(facility_id: str) -> bool:
    return facility_id.endswith(f"/{MODEL}")


def _name(variety: Variety) -> str:
    return variety.quantity.replace("_", "-")


def _models() -> dict[str, Any]:
    """Return the site of one facility a kind, with one channel of each of its varieties."""
    return {
        "gateways": [
            {
                "id": f"gw-{mix.kind}-{MODEL}", "district": MODEL, "facility": f"{mix.kind}/{MODEL}",
                "name": {"zh": "采集网关", "en": "Gateway"}, "zone": "Asia/Shanghai",
                "upload_interval_s": UPLOAD_INTERVAL_S,
            }
            for mix in MIX
        ],
        "facilities": [_facility(mix) for mix in MIX],
    }  # fmt: skip


def _facility(mix: Mix) -> dict[str, Any]:
    varieties = [*mix.varieties, WAVE] if mix.kind == "bridge" else mix.varieties
    return {
        "id": f"{mix.kind}/{MODEL}",
        "kind": mix.kind,
        "name": {"zh": "设施", "en": mix.kind.capitalize()},
        "district": MODEL,
        "channels": [_channel(mix.kind, variety) for variety in varieties],
    }


def _channel(kind: str, variety: Variety) -> dict[str, Any]:
    own: dict[str, Any] = {"parameters": dict(variety.parameters)} if variety.parameters else {}
    if variety is not WAVE:
        own["sample_interval_s"] = SAMPLE_INTERVAL_S
    return {
        "id": _name(variety),
        "quantity": variety.quantity,
        "gateway": f"gw-{kind}-{MODEL}",
        "sent_as": _name(variety),
        "name": {"zh": "测点", "en": _name(variety).replace("-", " ").capitalize()},
        **own,
    }


@dataclass(frozen=True, slots=True)
class _Models:
    """What is copied, by kind: facility, gateway, its fault channels; channels by variety."""

    facilities: dict[str, Facility]
    gateways: dict[str, Gateway]
    of_gateway: dict[str, list[Channel]]
    of_variety: dict[tuple[str, str], list[Channel]]

    @classmethod
    def of(cls, small: Catalogue) -> "_Models":
        of_gateway, of_variety = defaultdict(list), defaultdict(list)
        for channel in small.channels:
            if not _is_model(channel.facility):
                continue
            kind, _, rest = channel.facility.partition("/")
            if channel.fault is not None and channel.fault_of is None:
                of_gateway[kind].append(channel)
                continue
            rest = channel.id.removeprefix(f"{channel.facility}/")
            of_variety[kind, rest.partition("/")[0].partition(":")[0]].append(channel)
        return cls(
            {one.kind: one for one in small.facilities if _is_model(one.id)},
            {
                one.facility.partition("/")[0]: one
                for one in small.gateways
                if _is_model(one.facility)
            },
            dict(of_gateway),
            dict(of_variety),
        )

    def facility(self, city: CityFacility) -> Facility:
        number = city.number + 1
        model = self.facilities[city.kind]
        name = Text(f"{model.name.zh} {number}", f"{model.name.en} {number}")
        return replace(model, id=city.id, district=city.district, name=name)

    def gateway(self, city: CityFacility) -> Gateway:
        model = self.gateways[city.kind]
        return replace(model, id=city.gateway, district=city.district, facility=city.id)

    def channels(self, city: CityFacility) -> Iterable[Channel]:
        """Yield the copies that make a facility of the city."""
        old = f"{city.kind}/{MODEL}"
        old_gateway = f"gw-{city.kind}-{MODEL}"
        for model in self.of_gateway[city.kind]:
            yield replace(
                model,
                id=model.id.replace(old_gateway, city.gateway).replace(old, city.id),
                facility=city.id,
                gateway=city.gateway,
            )
        for variety, name in zip(city.varieties, city.names, strict=True):
            before, after = f"{old}/{_name(variety)}", f"{city.id}/{name}"
            for model in self.of_variety[city.kind, _name(variety)]:
                yield _copied(model, before, after, city, name)


def _copied(model: Channel, before: str, after: str, city: CityFacility, name: str) -> Channel:
    feature = model.feature
    if feature is not None:
        inputs = tuple(one.replace(before, after) for one in feature.inputs)
        feature = replace(feature, inputs=inputs)
    return replace(
        model,
        id=model.id.replace(before, after),
        facility=city.id,
        gateway=city.gateway if model.gateway else None,
        sent_as=name if model.sent_as else None,
        fault_of=model.fault_of.replace(before, after) if model.fault_of else None,
        feature=feature,
    )
