"""What a feature file offers, and what its parameters may be."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from domain.catalogue import Channel

CELLS_MAX = 20_000  # a week by half minutes; bounds what one channel may cost


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: ``default`` None means that it must be given, unless ``optional``.

    ``kind`` is ``number``, ``choice`` (then ``choices`` are the words), ``grades`` (a mapping
    from a code, whole number as text, to a grade word) or ``ranges`` (a list of [lowest, highest],
    one for each input). Numbers lie within ``low`` (left out itself where ``above``) and ``high``.
    """

    name: str
    meaning: str
    unit: str = ""
    default: Any = None
    kind: str = "number"
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    choices: tuple[str, ...] = ()
    optional: bool = False

    def fault(self, value: Any) -> str | None:
        """Return what is wrong with ``value`` for this parameter, in a sentence."""
        if self.kind == "choice":
            words = ", ".join(self.choices)
            right = isinstance(value, str) and value in self.choices
            return None if right else f"{self.name} must be one of {words}, not {value!r}"
        if self.kind == "grades":
            return _fault_of_grades(self.name, value, self.choices)
        if self.kind == "ranges":
            return _fault_of_ranges(self.name, value)
        return self._fault_of_number(value)

    def _fault_of_number(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{self.name} must be a number, not {value!r}"
        if not abs(value) <= 1e300:
            return f"{self.name} must be finite, not {value!r}"
        if value < self.low or (self.above and value == self.low):
            than = "greater than" if self.above else "at least"
            return f"{self.name} must be {than} {self.low:g}, not {value!r}"
        if value > self.high:
            return f"{self.name} must be at most {self.high:g}, not {value!r}"
        return None


AGE_S_MAX = Parameter(
    "age_s_max",
    "how much older than the first input the second may be; "
    "left out: two of its sample intervals and a minute",
    "s",
    low=0.0,
    high=3.2e8,
    optional=True,
)  # of the features of two channels


def age_ns_max(parameters: Mapping[str, Any], second: Channel) -> int:
    """Return how old the ``second`` input may be, in ns, by ``AGE_S_MAX``."""
    age_s_max = parameters[AGE_S_MAX.name]
    return round((2.0 * second.sample_interval_s + 60.0 if age_s_max is None else age_s_max) * 1e9)


Advance = Callable[..., int]


class FeatureKind(Protocol):
    """A module of ``analytics/features``."""

    @property
    def INPUTS(self) -> int:  # noqa: N802  a module's constant
        """How many channels it reads."""
        ...

    @property
    def PARAMETERS(self) -> tuple[Parameter, ...]:  # noqa: N802  a module's constant
        """What may be set."""
        ...

    @property
    def RECORD(self) -> np.dtype[Any]:  # noqa: N802  a module's constant
        """The fields of a channel's state; ``first`` and ``cells`` say where its cells are."""
        ...

    @property
    def CELL(self) -> np.dtype[Any]:  # noqa: N802  a module's constant
        """The fields of a cell."""
        ...

    @property
    def advance(self) -> Advance:
        """The compiled state machine: (records, cells, inputs, outputs) to the count emitted."""
        ...

    def configure(
        self, parameters: Mapping[str, Any], inputs: Sequence[Channel]
    ) -> tuple[dict[str, Any], npt.NDArray[Any]]:
        """Return the record's fields that are set once, and the cells as they begin."""
        ...

    def refuse(self, parameters: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with parameters that are well formed one by one."""
        ...


def validate(kind: FeatureKind, parameters: Mapping[str, Any]) -> list[str]:
    """Return all that is wrong with ``parameters`` for ``kind``; an empty list where nothing is."""
    known = {parameter.name: parameter for parameter in kind.PARAMETERS}
    faults = [
        f"there is no parameter {name!r}; there are {', '.join(known) or 'none'}"
        for name in parameters
        if name not in known
    ]
    for name, parameter in known.items():
        if name in parameters:
            fault = parameter.fault(parameters[name])
            faults += [fault] if fault else []
        elif parameter.default is None and not parameter.optional:
            faults.append(f"{name} is missing: {parameter.meaning}")
    return faults or kind.refuse(complete(kind, parameters))


def complete(kind: FeatureKind, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``parameters`` with the defaults of those not given; optional ones may be None."""
    return {x.name: parameters.get(x.name, x.default) for x in kind.PARAMETERS}


def refuse_grid(window_s: float, step_s: float) -> list[str]:
    """Return what is wrong with a window of so many steps."""
    if step_s > window_s:
        return [f"step_s ({step_s:g}) must not be longer than window_s ({window_s:g})"]
    if window_s / step_s > CELLS_MAX:
        return [f"window_s / step_s must be at most {CELLS_MAX}, not {window_s / step_s:.0f}"]
    if step_s < 1e-6:
        return [f"step_s must be at least 1e-06, not {step_s!r}"]
    return []


def grid(window_s: float, step_s: float) -> tuple[int, int]:
    """Return (step in ns, number of steps that make up the window, rounded up)."""
    step_ns = round(step_s * 1e9)
    return step_ns, max(1, -(-round(window_s * 1e9) // step_ns))


def _fault_of_grades(name: str, value: Any, words: tuple[str, ...]) -> str | None:
    if not isinstance(value, Mapping):
        return f"{name} must be a mapping from codes to grades, not {value!r}"
    for code, word in value.items():
        if isinstance(code, bool) or not _is_whole(code):
            return f"{name}: a code must be a whole number, not {code!r}"
        if word not in words:
            return f"{name}: the grade of {code} must be one of {', '.join(words)}, not {word!r}"
    if len({int(code) for code in value}) != len(value):
        return f"{name}: a code stands there twice"
    return None


def _fault_of_ranges(name: str, value: Any) -> str | None:
    if not isinstance(value, list | tuple) or not value:
        return f"{name} must be a list of [lowest, highest], one for each input, not {value!r}"
    for pair in value:
        right = isinstance(pair, list | tuple) and len(pair) == 2
        if not right or not all(_is_finite(bound) for bound in pair) or pair[0] > pair[1]:
            return f"{name}: a range must be [lowest, highest], two numbers, not {pair!r}"
    return None


def _is_finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= 1e300


def _is_whole(code: Any) -> bool:
    try:
        return abs(int(code)) < 2**53 and isinstance(code, int | str)
    except (TypeError, ValueError, OverflowError):
        return False
