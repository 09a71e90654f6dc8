"""Features: what makes channels of channels. One file a kind, and one line here.

A feature file holds, besides its docstring (which states the rule):

- ``INPUTS``, how many channels it reads, at least where there is an ``INPUTS_MAX``;
- ``PARAMETERS``, what may be set, with meaning, unit and default;
- ``RECORD`` and ``CELL``, the fields of a channel's state, and of the cells behind it;
- ``configure(parameters, inputs)``: the fields of the record that are set once, and the number of
  cells; and ``refuse(parameters)``: what is wrong with values that are well formed one by one;
- ``advance``: the compiled state machine over readings in order.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from analytics.features import (
    background,
    code,
    difference,
    frequency,
    rate,
    residual,
    rolling,
    scale,
    together,
)
from analytics.features.protocol import FeatureKind, Parameter
from analytics.features.protocol import validate as validate_kind

KINDS: Mapping[str, FeatureKind] = MappingProxyType(
    {
        "background": background,
        "code": code,
        "difference": difference,
        "frequency": frequency,
        "rate": rate,
        "residual": residual,
        "rolling": rolling,
        "scale": scale,
        "together": together,
    }
)
PARAMETERS: Mapping[str, tuple[Parameter, ...]] = MappingProxyType(
    {name: kind.PARAMETERS for name, kind in KINDS.items()}
)


def validate(kind: str, parameters: Mapping[str, Any], inputs: int | None = None) -> list[str]:
    """Return what is wrong with a feature, in sentences for people; an empty list where nothing is.

    >>> validate("rolling", {"window_s": 60, "step_s": 0, "statistic": "mean"})
    ['step_s must be greater than 0, not 0']
    """
    if kind not in KINDS:
        return [f"there is no feature {kind!r}; there are {', '.join(sorted(KINDS))}"]
    faults = [] if inputs is None else _faults_of_inputs(kind, parameters, inputs)
    return faults + validate_kind(KINDS[kind], parameters)


def inputs_of(kind: str) -> tuple[int, int]:
    """Return how many channels a kind reads at least and at most."""
    least = KINDS[kind].INPUTS
    return least, getattr(KINDS[kind], "INPUTS_MAX", least)


def _faults_of_inputs(kind: str, parameters: Mapping[str, Any], inputs: int) -> list[str]:
    """Return what is wrong with the number of inputs; of ``ranges`` there is one for each."""
    least, most = inputs_of(kind)
    if not least <= inputs <= most:
        number = f"{least}" if least == most else f"{least} to {most}"
        return [f"{kind} has {number} input(s), not {inputs}"]
    return [
        f"{parameter.name} must have a [lowest, highest] for each of {inputs} inputs"
        for parameter in KINDS[kind].PARAMETERS
        if parameter.kind == "ranges"
        and isinstance(ranges := parameters.get(parameter.name), list | tuple)
        and parameter.fault(ranges) is None
        and len(ranges) != inputs
    ]
