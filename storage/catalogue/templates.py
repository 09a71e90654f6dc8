"""Templates: what a quantity is, and the limits, checks and features it comes with.

A file that names a ``kind`` holds that kind's quantities; one that does not holds those that every
kind shares. A kind's quantity of the same name says only what differs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from domain.catalogue import FacilityKind, Quantity, Retention, Text
from domain.grade import FaultKind, Grade
from storage.catalogue.document import Branch, Faults, Place, parse_document, read_bytes, shorten
from storage.catalogue.keeping import read_retention
from storage.catalogue.section import Amount, Section, id_problem
from storage.catalogue.specs import (
    CHANNEL_KEYS,
    ChannelSpec,
    FaultSpec,
    LimitSpec,
    ProfileSpec,
    fault_kinds,
    read_channel,
    read_checks,
    read_fault_spec,
    read_fault_specs,
    read_limits,
    read_parameter,
    read_profile_limits,
)
from storage.catalogue.units import is_unit

GATEWAY_FAULTS = {"gateway-silent": FaultKind.SILENT, "gateway-overload": FaultKind.OVERLOAD}
SITE = "*"  # where a site's own quantities stand among the kinds
COMMON = ""

_QUANTITY_KEYS = (
    "name", "unit", "symbol", "source", "sample_interval_s", "parameters", "checks", "faults",
    "limits", "profile_limits", "features", "latching", "on_change", "acknowledge_up_to",
    "retention",
)  # fmt: skip
_PARAMETER_KEYS = ("required", "optional", "default", "note")


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A parameter of a template; without a default it must be given, or may be left out.

    A limit that needs an ``optional`` parameter is left out where that is not given.
    """

    default: Any = None
    optional: bool = False
    note: Text = field(default_factory=lambda: Text("", ""))


@dataclass(frozen=True, slots=True)
class QuantityTemplate:
    """A quantity and what a channel of it comes with."""

    place: Place
    kind: str
    quantity: Quantity
    source: str = ""
    sample_interval_s: float | None = None
    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    checks: Mapping[str, Amount | None] = field(default_factory=dict)
    faults: Mapping[str, FaultSpec] = field(default_factory=dict)
    limits: tuple[LimitSpec, ...] = ()
    features: Mapping[str, ChannelSpec] = field(default_factory=dict)
    latching: bool = False
    on_change: bool = False
    acknowledge_up_to: Grade = Grade.NORMAL
    retention: Retention | None = None
    profile_limits: Mapping[str, ProfileSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FaultTemplate:
    """A kind of instrument fault: how its channel is called and graded."""

    name: Text
    quantity: Quantity
    spec: FaultSpec


@dataclass(frozen=True, slots=True)
class Templates:
    """All templates, by (kind of facility, quantity).

    ``retention`` is that of channels of which nothing else is said.
    """

    kinds: Mapping[str, FacilityKind]
    quantities: Mapping[tuple[str, str], QuantityTemplate]
    faults: Mapping[str, FaultTemplate]
    retention: Retention = field(default_factory=Retention)

    def find(self, kind: str, quantity: str) -> QuantityTemplate | None:
        """Return the site's template of a quantity, else the kind's, else the common one."""
        for owner in (SITE, kind, COMMON):
            template = self.quantities.get((owner, quantity))
            if template is not None:
                return template
        return None

    def quantities_of(self, kind: str) -> list[str]:
        """Return the quantities that a facility of this kind may have."""
        names = {name for owner, name in self.quantities if owner in (SITE, kind, COMMON)}
        return sorted(names)


def load_templates(folder: Path) -> Templates:
    """Return the templates of a folder's ``*.yaml``; raises ``CatalogueError`` with all faults."""
    faults = Faults()
    templates = read_templates(folder, faults)
    faults.raise_if_any()
    return templates


def read_templates(folder: Path, faults: Faults) -> Templates:
    """Return the templates of a folder, as far as they can be read; faults noted."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        faults.add(Place(str(folder), 1), "no templates (*.yaml) in this folder")
    branches = []
    for path in paths:
        data = read_bytes(path, faults)
        branch = parse_document(str(path), data, faults) if data is not None else None
        if branch is not None:
            branches.append(branch)
    builder = _Builder(faults)
    for branch in sorted(branches, key=lambda branch: "kind" in branch):  # the common ones first
        builder.add(branch)
    return builder.built()


def with_site(templates: Templates, branches: list[Branch], faults: Faults) -> Templates:
    """Return the templates with a site's own ``kinds`` and ``quantities``."""
    builder = _Builder(faults, templates)
    for branch in branches:
        builder.add_site(branch)
    return builder.built()


class _Builder:
    def __init__(self, faults: Faults, base: Templates | None = None) -> None:
        self.faults = faults
        self.kinds = dict(base.kinds) if base else {}
        self.quantities = dict(base.quantities) if base else {}
        self.faults_by_kind = dict(base.faults) if base else {}
        self.retention = base.retention if base else Retention()
        self.by_id: dict[str, QuantityTemplate] = {}
        for template in self.quantities.values():
            self.by_id.setdefault(template.quantity.id, template)

    def built(self) -> Templates:
        return Templates(self.kinds, self.quantities, self.faults_by_kind, self.retention)

    def add(self, branch: Branch) -> None:
        keys = ("kind", "quantities", "faults", "retention")
        section = Section(branch, self.faults, "a template file", keys)
        self.retention = read_retention(section) or self.retention
        kind = self.kind(section.mapping("kind")) if section.has("kind") else COMMON
        section.each("quantities", lambda name, inner: self.quantity(kind, name, inner))
        section.each("faults", self.fault)

    def add_site(self, branch: Branch) -> None:
        section = Section(branch, self.faults, "the document", branch.keys())
        for inner in section.branches("kinds"):
            self.kind(inner)
        section.each("quantities", lambda name, inner: self.quantity(SITE, name, inner))

    def kind(self, branch: Branch) -> str:
        section = Section(branch, self.faults, "a kind of facility", ("id", "name"))
        kind = section.identifier("id", slash=False)
        name = section.names("name", Text(kind, kind))
        if kind in self.kinds and self.kinds[kind] != FacilityKind(kind, name):
            section.fault("id", f"the kind `{kind}` stands elsewhere already")
        elif kind:
            self.kinds[kind] = FacilityKind(kind, name)
        return kind or "?"

    def quantity(self, kind: str, name: str, branch: Branch) -> None:
        problem = id_problem(name)
        if problem:
            self.faults.add(branch.place, problem)
            return
        section = Section(branch, self.faults, f"quantity {name}", _QUANTITY_KEYS)
        base = self.quantities.get((COMMON, name)) if kind != COMMON else None
        if base is None and kind == SITE:
            base = self.by_id.get(name)
        quantity = self.noun(section, name, base.quantity if base else None)
        first = self.by_id.get(name)
        if (kind, name) in self.quantities:
            section.faults.add(section.place, f"a second quantity {name} of this kind")
        elif first is not None and first.quantity != quantity:
            there = f"{first.place.file}:{first.place.line}"
            message = f"quantity {name} has another name, unit or symbol in {there}"
            section.faults.add(section.place, message, "give one of them another id")
        template = self.template(section, kind, quantity, base)
        self.quantities[kind, name] = template
        self.by_id.setdefault(name, template)

    def noun(self, section: Section, name: str, base: Quantity | None) -> Quantity:
        unit = section.text("unit", base.unit if base else "")
        if base is None:
            section.require("unit")
            section.require("name")
        if unit and not is_unit(unit):
            section.fault("unit", f"`{shorten(unit)}` is no UCUM unit known here", "such as um/m")
        text = section.names("name", base.name if base else Text(name, name))
        symbol = section.names("symbol", base.symbol if base else Text(unit, unit))
        return Quantity(name, text, unit, symbol)

    def template(
        self, section: Section, kind: str, quantity: Quantity, base: QuantityTemplate | None
    ) -> QuantityTemplate:
        base = base or QuantityTemplate(section.place, kind, quantity)
        limits = read_limits(section)
        checks = {**base.checks, **read_checks(section)}
        latching, on_change = section.flag("latching"), section.flag("on_change")
        return replace(
            base,
            place=section.place,
            kind=kind,
            quantity=quantity,
            source=section.text("source", base.source, length_max=1_000),
            sample_interval_s=section.positive("sample_interval_s", base.sample_interval_s),
            parameters={**base.parameters, **self.parameters(section)},
            checks=checks,
            faults={**base.faults, **read_fault_specs(section, fault_kinds())},
            limits=base.limits if limits is None else limits,
            profile_limits={
                # Those of the base go with its limits: beside others they could be the looser ones.
                **(base.profile_limits if limits is None else {}),
                **read_profile_limits(section),
            },
            features={**base.features, **self.features(section)},
            latching=base.latching if latching is None else latching,
            on_change=base.on_change if on_change is None else on_change,
            acknowledge_up_to=section.grade(
                "acknowledge_up_to", base.acknowledge_up_to, normal=True
            ),
            retention=read_retention(section) or base.retention,
        )

    def parameters(self, section: Section) -> dict[str, ParameterSpec]:
        found: dict[str, ParameterSpec] = {}

        def read(name: str, branch: Branch) -> None:
            what = f"parameter {shorten(name)} of {section.what}"
            inner = Section(branch, self.faults, what, _PARAMETER_KEYS)
            inner.flag("required")
            default = inner.branch.get("default")
            value = read_parameter(inner, "default", default) if default is not None else None
            optional = bool(inner.flag("optional"))
            found[name] = ParameterSpec(value, optional, inner.names("note", Text("", "")))

        section.each("parameters", read)
        return found

    def features(self, section: Section) -> dict[str, ChannelSpec]:
        found: dict[str, ChannelSpec] = {}
        for branch in section.branches("features"):
            keys = tuple(key for key in CHANNEL_KEYS if key != "parameters")
            inner = Section(branch, self.faults, f"a feature of {section.what}", ("suffix", *keys))
            suffix = inner.identifier("suffix")
            inner.require("feature")
            if suffix in found:
                inner.fault("suffix", f"a second feature `{suffix}` of {section.what}")
            if suffix:
                found[suffix] = read_channel(inner, suffix)
        return found

    def fault(self, kind: str, branch: Branch) -> None:
        what = f"fault {shorten(kind)}"
        known = (*fault_kinds(), *GATEWAY_FAULTS)
        if kind not in known:
            self.faults.add(branch.place, f"no fault `{shorten(kind)}`")
            return
        spec = read_fault_spec(branch, self.faults, what, "name", "unit", "symbol")
        section = Section(branch, self.faults, what, branch.keys())
        unit = section.text("unit", "1")
        if not is_unit(unit):
            section.fault("unit", f"`{shorten(unit)}` is no UCUM unit known here", "such as 1")
        name = section.names("name", Text(kind, kind))
        symbol = section.names("symbol", Text("", ""))
        quantity = Quantity(f"fault-{kind}", name, unit, symbol)
        self.faults_by_kind[kind] = FaultTemplate(name, quantity, spec)
