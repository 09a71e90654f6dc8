"""Numbers out of specs: parameters and attributes put in, limits and checks held to their laws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise
from typing import Any

from domain.catalogue import Checks, Facility, Limit
from domain.grade import Side
from storage.catalogue.document import Faults, Place, shorten
from storage.catalogue.expression import ExpressionError, UnknownNameError, evaluate
from storage.catalogue.section import Amount, Expression, suggest
from storage.catalogue.specs import FeatureSpec, LimitSpec
from storage.catalogue.templates import ParameterSpec, QuantityTemplate


@dataclass(slots=True)
class Scope:
    """What the expressions of one channel may use, and whom to tell of what is wrong.

    A fault in what stands in the channel's own file is told where it stands; one that a template's
    line brings out is told at the channel, which is where it can be put right.
    """

    place: Place
    what: str
    faults: Faults
    values: dict[str, float]
    texts: dict[str, str]
    declared: Mapping[str, ParameterSpec]
    facility: str

    def blame(self, place: Place) -> tuple[Place, str]:
        """Return where to tell a fault that stands at ``place``, and what to add to it."""
        if place.file == self.place.file:
            return place, ""
        return self.place, f" (from {place.file}:{place.line})"

    def number(self, amount: Amount) -> float | None:
        """Return the value of ``amount``; ``None`` where it has none."""
        if not isinstance(amount, Expression):
            return amount
        place, origin = self.blame(amount.place)
        try:
            return evaluate(amount.text, self.values)
        except UnknownNameError as error:
            self._missing(error.name, amount, place, origin)
        except ExpressionError as error:
            self.faults.add(place, f"`{shorten(amount.text)}` {error}{origin}")
        return None

    def _missing(self, name: str, amount: Expression, place: Place, origin: str) -> None:
        parameter = self.declared.get(name)
        if parameter is None:
            message = (
                f"`{name}` in `{shorten(amount.text)}` is neither a parameter nor a number among "
                f"the attributes of {self.facility}{origin}"
            )
            self.faults.add(place, message, suggest(name, [*self.values, *self.declared]))
        elif not parameter.optional:
            remedy = f"add `parameters: {{{name}: …}}`"
            self.faults.add(self.place, f"{self.what} needs the parameter `{name}`", remedy)


def scope_of(
    place: Place,
    what: str,
    facility: Facility,
    faults: Faults,
    *,
    given: Mapping[str, Any] | None = None,
    template: QuantityTemplate | None = None,
) -> Scope:
    """Return the scope of a channel: its parameters before its facility's attributes."""
    declared = template.parameters if template else {}
    given = given or {}
    numbers = {
        key: float(value)
        for key, value in facility.attributes.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    scope = Scope(place, what, faults, numbers, {}, declared, facility.id)
    for name in given if template is not None else ():
        if name not in declared:
            message = f"{what} has no parameter `{shorten(name)}`"
            faults.add(place, message, suggest(name, declared))
    defaults = {name: spec.default for name, spec in declared.items() if spec.default is not None}
    for name, value in {**defaults, **given}.items():
        if isinstance(value, str):
            scope.texts[name] = value
            continue
        number = scope.number(value)
        if number is not None:
            numbers[name] = number
    return scope


def resolve_limits(specs: tuple[LimitSpec, ...], scope: Scope) -> tuple[Limit, ...]:
    """Return the limits in numbers, mildest first; faults where they contradict one another."""
    constant = _constant_limits(specs)
    return constant if constant is not None else _resolve_limits(specs, scope)


@lru_cache(maxsize=256)
def _constant_limits(specs: tuple[LimitSpec, ...]) -> tuple[Limit, ...] | None:
    """Return faultless limits that hold no expression, ``None`` for others.

    Thousands of channels share a template's limits.
    """
    for spec in specs:
        if isinstance(spec.value, Expression) or isinstance(spec.deadband, Expression):
            return None
    faults = Faults()
    limits = _resolve_limits(specs, Scope(Place("", 1), "", faults, {}, {}, {}, ""))
    return None if len(faults) else limits


def _resolve_limits(specs: Sequence[LimitSpec], scope: Scope) -> tuple[Limit, ...]:
    placed: list[tuple[Limit, Place]] = []
    for spec in specs:
        value, deadband = scope.number(spec.value), scope.number(spec.deadband)
        if value is None or deadband is None:
            continue
        if deadband < 0:
            place, origin = scope.blame(spec.place)
            scope.faults.add(place, f"the deadband {deadband:g} is below 0{origin}")
            continue
        limit = Limit(
            spec.grade, spec.side, value, deadband, spec.on_delay_s, spec.off_delay_s, spec.n, spec.m
        )  # fmt: skip
        placed.append((limit, spec.place))
    placed.sort(key=lambda pair: (pair[0].side, pair[0].grade))
    for side in Side:
        _check_rising([pair for pair in placed if pair[0].side is side], side, scope)
    _check_sides(placed, scope)
    return tuple(limit for limit, _ in placed)


def _release(limit: Limit) -> float:
    sign = -1.0 if limit.side is Side.HIGH else 1.0
    return limit.value + sign * limit.deadband


def _check_rising(placed: list[tuple[Limit, Place]], side: Side, scope: Scope) -> None:
    """Note where a worse grade lies, or is released, nearer than a milder one."""
    sign = 1.0 if side is Side.HIGH else -1.0
    word, wrong = ("high", "below") if side is Side.HIGH else ("low", "above")
    for (mild, _), (worse, at) in pairwise(placed):
        place, origin = scope.blame(at)
        if sign * worse.value < sign * mild.value:
            scope.faults.add(
                place,
                f"the {worse.grade.word} {word} limit {worse.value:g} lies {wrong} the "
                f"{mild.grade.word} one, {mild.value:g}{origin}",
            )
        elif sign * _release(worse) < sign * _release(mild):
            scope.faults.add(
                place,
                f"the {worse.grade.word} {word} limit releases at {_release(worse):g}, {wrong} "
                f"{_release(mild):g} where the {mild.grade.word} one does{origin}",
                "a smaller deadband",
            )


def _check_sides(placed: list[tuple[Limit, Place]], scope: Scope) -> None:
    highs = [pair for pair in placed if pair[0].side is Side.HIGH]
    lows = [pair for pair in placed if pair[0].side is Side.LOW]
    if not highs or not lows:
        return
    high, low = highs[0][0], lows[0][0]
    place, origin = scope.blame(lows[0][1])
    if low.value >= high.value:
        scope.faults.add(
            place, f"the low limit {low.value:g} is not below the high limit {high.value:g}{origin}"
        )
    elif min(_release(pair[0]) for pair in highs) <= max(_release(pair[0]) for pair in lows):
        message = f"the deadbands of the high limit {high.value:g} and the low limit {low.value:g}"
        scope.faults.add(place, f"{message} overlap{origin}", "smaller deadbands")


def resolve_checks(specs: Mapping[str, Amount | None], place: Place, scope: Scope) -> Checks:
    """Return the quality checks in numbers; faults where they contradict one another."""
    values: dict[str, float] = {}
    for key, amount in specs.items():
        number = scope.number(amount) if amount is not None else None
        if number is not None:
            values[key] = number
    checks = Checks(**values)
    own, origin = scope.blame(place)
    for message in _check_problems(checks):
        scope.faults.add(own, f"{message} in the checks of {scope.what}{origin}")
    return checks


def _check_problems(checks: Checks) -> list[str]:
    problems = []
    for kind in ("fail", "suspect"):
        low, high = getattr(checks, f"{kind}_low"), getattr(checks, f"{kind}_high")
        if low is not None and high is not None and low >= high:
            problems.append(f"{kind}_low {low:g} is not below {kind}_high {high:g}")
    pairs = ((checks.fail_low, checks.suspect_low), (checks.suspect_high, checks.fail_high))
    for smaller, larger in pairs:
        if smaller is not None and larger is not None and smaller > larger:
            problems.append("the suspect range reaches beyond the fail range")
    for check in fields(checks):
        value = getattr(checks, check.name)
        if check.name in ("spike", "rate_per_s", "flat_tolerance") and (value or 0) < 0:
            problems.append(f"{check.name} {value:g} is below 0")
    if checks.flat_s is not None and checks.flat_s <= 0:
        problems.append(f"flat_s {checks.flat_s:g} is not above 0")
    return problems


def check_reach(limits: Sequence[Limit], checks: Checks, scope: Scope) -> None:
    """Note limits beyond the fail range: no good reading could ever reach them."""
    for limit in limits:
        bound = checks.fail_high if limit.side is Side.HIGH else checks.fail_low
        if bound is None:
            continue
        beyond = limit.value > bound if limit.side is Side.HIGH else limit.value < bound
        if beyond:
            side = limit.side.name.lower()
            message = (
                f"the {limit.grade.word} {side} limit {limit.value:g} of {scope.what} lies beyond "
                f"fail_{side} {bound:g}: no good reading could reach it"
            )
            scope.faults.add(scope.place, message)


def resolve_parameters(feature: FeatureSpec, scope: Scope) -> dict[str, Any]:
    """Return a feature's parameters with their expressions worked out."""
    resolved: dict[str, Any] = {}
    for key, value in feature.parameters.items():
        if isinstance(value, str) and value.startswith("="):
            place = Place(feature.place.file, feature.place.line)
            resolved[key] = scope.number(Expression(value[1:].strip(), place))
        else:
            resolved[key] = value
    return resolved
