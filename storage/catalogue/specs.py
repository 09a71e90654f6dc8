"""What documents say of channels, before templates and expressions are resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.catalogue import Retention, Text
from domain.grade import FaultKind, Grade, Side
from storage.catalogue.document import Branch, Faults, Items, Place, plain, shorten
from storage.catalogue.keeping import read_retention
from storage.catalogue.section import Amount, Section, suggest

HISTORY_MAX = 64  # readings that N-of-M looks back on

CHECKS = (
    "fail_low", "fail_high", "suspect_low", "suspect_high", "spike", "rate_per_s", "flat_s",
    "flat_tolerance",
)  # fmt: skip
LIMIT_KEYS = (
    "grade", "high", "low", "deadband", "on_delay_s", "off_delay_s", "n", "m", "source",
)  # fmt: skip
POLICY_KEYS = ("latching", "on_change", "commissioning", "acknowledge_up_to")
CHANNEL_KEYS = (
    "name", "quantity", "sample_interval_s", "parameters", "limits", "checks", "faults", "feature",
    "source", "retention", "profile_limits", *POLICY_KEYS,
)  # fmt: skip
FAULT_KEYS = ("limits", "source", "latching", "acknowledge_up_to")
FROM_TEMPLATE = "template"  # `limits: template` on a derived channel takes its quantity's


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """One limit as written; ``value`` and ``deadband`` may be expressions."""

    place: Place
    grade: Grade
    side: Side
    value: Amount
    deadband: Amount
    on_delay_s: float
    off_delay_s: float
    n: int
    m: int
    source: str


@dataclass(frozen=True, slots=True)
class ProfileSpec:
    """What a channel says of a profile: the limits in it; ``None`` leaves them as they are."""

    place: Place
    limits: tuple[LimitSpec, ...] | None


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """A feature as written; a parameter that is text beginning with ``=`` is an expression."""

    place: Place
    kind: str
    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """What a channel says of one of its fault channels; ``None`` leaves the template's."""

    place: Place
    on: bool = True
    limits: tuple[LimitSpec, ...] | None = None
    source: str = ""
    latching: bool | None = None
    acknowledge_up_to: Grade | None = None


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """A channel as written, measured or derived; ``None`` leaves what the template says.

    ``features`` says of a template's derived channels, by suffix: ``None`` leaves one out.
    """

    place: Place
    id: str
    name: Text | None
    quantity: str
    sample_interval_s: float | None
    parameters: Mapping[str, Any]
    limits: tuple[LimitSpec, ...] | None
    limits_of_template: bool
    checks: Mapping[str, Amount | None]
    checks_of_template: bool
    checks_place: Place
    faults: Mapping[str, FaultSpec]
    feature: FeatureSpec | None
    source: str
    latching: bool | None = None
    on_change: bool | None = None
    commissioning: bool | None = None
    acknowledge_up_to: Grade | None = None
    retention: Retention | None = None
    gateway: str = ""
    sent_as: str = ""
    features: Mapping[str, "ChannelSpec | None"] = field(default_factory=dict)
    profile_limits: Mapping[str, ProfileSpec] = field(default_factory=dict)


def read_profile_limits(section: Section) -> dict[str, ProfileSpec]:
    """Return what stands under ``profile_limits``, by profile; ``off`` leaves the limits alone."""
    branch = section.mapping("profile_limits")
    inner = Section(branch, section.faults, f"profile_limits of {section.what}", branch.keys())
    specs: dict[str, ProfileSpec] = {}
    for profile, value in branch.items():
        place = branch.place_of(profile)
        if value in (False, "off", "no"):
            specs[profile] = ProfileSpec(place, None)
        elif isinstance(value, Items):
            inner.what = f"{section.what} in the profile {shorten(profile)}"
            specs[profile] = ProfileSpec(place, read_limits(inner, profile))
        else:
            message = f"`{shorten(profile)}` of {section.what} must be a list of limits, or off"
            section.faults.add(place, message, "[] for no limits in this profile")
    return specs


def read_limits(section: Section, key: str = "limits") -> tuple[LimitSpec, ...] | None:
    """Return the limits under ``key``, ``None`` where it does not stand."""
    value = section.branch.get(key)
    if value is None:
        return None
    specs: list[LimitSpec] = []
    seen: dict[tuple[Grade, Side], int] = {}
    for branch in section.branches(key):
        for spec in _read_limit(branch, section.faults, section.what):
            first = seen.setdefault((spec.grade, spec.side), spec.place.line)
            if any(spec.grade is old.grade and spec.side is old.side for old in specs):
                message = (
                    f"a second {spec.grade.word} {spec.side.name.lower()} limit "
                    f"for {section.what}, the first in line {first}"
                )
                section.faults.add(spec.place, message, "keep one")
                continue
            specs.append(spec)
    return tuple(specs)


def _read_limit(branch: Branch, faults: Faults, what: str) -> list[LimitSpec]:
    section = Section(branch, faults, f"a limit of {what}", LIMIT_KEYS)
    if not section.require("grade"):
        return []
    grade = section.grade("grade", Grade.NORMAL)
    if not section.has("high") and not section.has("low"):
        section.fault("grade", f"a limit of {what} needs `high` or `low`")
    m = section.whole("m", 0, 1, HISTORY_MAX)
    n = section.whole("n", 1, 1, HISTORY_MAX)
    if m and n > m:
        section.fault("n", f"n ({n}) is more than m ({m})", "at least N of the last M readings")
    deadband = section.amount("deadband", 0.0)
    if isinstance(deadband, float) and deadband < 0:
        section.fault("deadband", f"`deadband` of a limit of {what} must be at least 0")
    on_delay_s = section.number("on_delay_s", 0.0, low=0.0) or 0.0
    off_delay_s = section.number("off_delay_s", 0.0, low=0.0) or 0.0
    source = section.text("source", length_max=1_000)
    specs = []
    for side, key in ((Side.HIGH, "high"), (Side.LOW, "low")):
        value = section.amount(key)
        if value is None or grade is Grade.NORMAL:
            continue
        specs.append(
            LimitSpec(
                branch.place_of(key), grade, side, value, deadband or 0.0, on_delay_s, off_delay_s,
                n, max(m, n), source,
            )
        )  # fmt: skip
    return specs


def read_checks(section: Section) -> dict[str, Amount | None]:
    """Return the quality checks under ``checks``; ``off`` stands as ``None``."""
    branch = section.mapping("checks") if section.branch.get("checks") != FROM_TEMPLATE else None
    if branch is None:
        return {}
    inner = Section(branch, section.faults, f"checks of {section.what}", CHECKS)
    checks: dict[str, Amount | None] = {}
    for key, value in branch.items():
        if key in CHECKS:
            off = value is None or value is False or value == "off"
            amount = None if off else inner.amount(key)
            if off or amount is not None:
                checks[key] = amount
    return checks


def read_fault_specs(section: Section, kinds: tuple[str, ...]) -> dict[str, FaultSpec]:
    """Return what stands under ``faults``, by kind of fault."""
    branch = section.mapping("faults")
    Section(branch, section.faults, f"faults of {section.what}", kinds)
    specs: dict[str, FaultSpec] = {}
    for kind, value in branch.items():
        if kind not in kinds:
            continue
        place = branch.place_of(kind)
        if isinstance(value, Branch):
            specs[kind] = read_fault_spec(value, section.faults, f"{kind} of {section.what}")
        elif value in (False, "off", "no"):
            specs[kind] = FaultSpec(place, on=False)
        elif value not in (True, "on", "yes", None):
            section.faults.add(
                place, f"`{kind}` of {section.what} must be on, off or a mapping", "limits: […]"
            )
    return specs


def read_fault_spec(branch: Branch, faults: Faults, what: str, *more: str) -> FaultSpec:
    """Return what one mapping says of a kind of fault."""
    section = Section(branch, faults, what, (*FAULT_KEYS, *more))
    latching = section.flag("latching")
    acknowledge = _acknowledge(section)
    source = section.text("source", length_max=1_000)
    return FaultSpec(branch.place, True, read_limits(section), source, latching, acknowledge)


def fault_kinds() -> tuple[str, ...]:
    """Return the kinds of fault that a channel may have."""
    return tuple(kind.value for kind in FaultKind if kind is not FaultKind.OVERLOAD)


def _acknowledge(section: Section) -> Grade | None:
    if not section.has("acknowledge_up_to"):
        return None
    return section.grade("acknowledge_up_to", Grade.NORMAL, normal=True)


def read_feature(section: Section) -> FeatureSpec | None:
    """Return the feature under ``feature``, ``None`` where there is none."""
    if not section.has("feature"):
        return None
    branch = section.mapping("feature")
    if not branch:
        return None
    inner = Section(branch, section.faults, f"the feature of {section.what}", branch.keys())
    inner.require("kind")
    inputs = []
    for place, item in inner.items("inputs"):
        if isinstance(item, str) and item:
            inputs.append(item)
        else:
            section.faults.add(place, f"an input of {section.what} must be a channel's id")
    parameters = {
        key: plain(value) for key, value in branch.items() if key not in ("kind", "inputs")
    }
    for key, value in list(parameters.items()):
        inner.finite(key)
        if isinstance(value, str) and value.startswith("=") and not inner.expression(key, value):
            del parameters[key]
    return FeatureSpec(branch.place, inner.text("kind"), tuple(inputs), parameters)


def read_parameters(section: Section) -> dict[str, Any]:
    """Return the parameters of a channel: numbers, expressions (``= …``) and texts."""
    branch = section.mapping("parameters")
    inner = Section(branch, section.faults, f"parameters of {section.what}", branch.keys())
    parameters: dict[str, Any] = {}
    for key, value in branch.items():
        parameters[key] = read_parameter(inner, key, value)
    return {key: value for key, value in parameters.items() if value is not None}


def read_parameter(section: Section, key: str, value: Any) -> Any:
    """Return one parameter: a number, an expression, or a text."""
    if isinstance(value, str):
        return section.expression(key, value) if value.startswith("=") else value
    return section.number(key)


def read_channel(section: Section, channel_id: str) -> ChannelSpec:
    """Return what a mapping says of a channel, but for its gateway."""
    limits_of_template = section.branch.get("limits") == FROM_TEMPLATE
    return ChannelSpec(
        place=section.place,
        id=channel_id,
        name=section.names("name", Text("", "")) if section.has("name") else None,
        quantity=section.text("quantity"),
        sample_interval_s=section.positive("sample_interval_s"),
        parameters=read_parameters(section),
        limits=None if limits_of_template else read_limits(section),
        limits_of_template=limits_of_template,
        checks=read_checks(section),
        checks_of_template=section.branch.get("checks") == FROM_TEMPLATE,
        checks_place=section.branch.place_of("checks"),
        faults=read_fault_specs(section, fault_kinds()),
        feature=read_feature(section),
        source=section.text("source", length_max=1_000),
        latching=section.flag("latching"),
        on_change=section.flag("on_change"),
        commissioning=section.flag("commissioning"),
        acknowledge_up_to=_acknowledge(section),
        retention=read_retention(section),
        profile_limits=read_profile_limits(section),
    )


def read_overrides(section: Section, key: str, what: str) -> dict[str, ChannelSpec | None]:
    """Return what a channel says of its template's derived channels, by suffix."""
    value = section.branch.get(key)
    if value is None or isinstance(value, Items):
        if value is not None:
            section.fault(key, f"`{key}` of {what} must be off, or a mapping by suffix")
        return {}
    if value in (False, "off", "no"):
        return {"*": None}
    overrides: dict[str, ChannelSpec | None] = {}
    branch = section.mapping(key)
    for suffix, inner in branch.items():
        if isinstance(inner, Branch):
            keys = [name for name in CHANNEL_KEYS if name not in ("feature", "parameters")]
            named = Section(inner, section.faults, f"{suffix} of {what}", keys)
            overrides[suffix] = read_channel(named, suffix)
        elif inner in (False, "off", "no"):
            overrides[suffix] = None
        else:
            place = branch.place_of(suffix)
            section.faults.add(place, f"`{shorten(suffix)}` must be off or a mapping")
    return overrides


def unknown(faults: Faults, place: Place, noun: str, word: str, known: list[str]) -> None:
    """Note that there is no ``noun`` called ``word``."""
    faults.add(place, f"no {noun} `{shorten(word)}`", suggest(word, known))
