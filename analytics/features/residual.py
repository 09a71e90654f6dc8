"""``residual``: a - (offset + slope * lagged b): what temperature does not explain of a response.

A structure follows its temperature, often late, so the second input passes a first-order lag of
``lag_s`` first. Emitted at each reading of ``a``, under the same rule of freshness as ``difference``,
once three lags have passed since the first reading of ``b``.

Coefficients that are given stand. Those left out are learnt by least squares from the pairs of the
first ``learn_s`` seconds, in which nothing is emitted, and then stand for good: a residual that went on
learning would learn the damage, too. Give ``slope`` where it is known (so many mm a degree): a learning
span with little temperature in it then cannot mislead. Sums are centred (Welford, 1962).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.features.protocol import AGE_S_MAX, Parameter, age_ns_max
from compiled import njit
from domain.catalogue import Channel

INPUTS = 2
PARAMETERS = (
    Parameter("lag_s", "the response follows the second input so late", "s", 0.0, low=0.0),
    Parameter(
        "learn_s",
        "coefficients not given are learnt of so long",
        "s",
        86_400.0,
        low=0.0,
        above=True,
    ),
    Parameter("slope", "of the response on the second input; left out: learnt", optional=True),
    Parameter("offset", "response where the second input is 0; left out: learnt", optional=True),
    AGE_S_MAX,
)
PAIRS_MIN = 3.0
LEARNT_MAX = 1e100  # beyond any instrument; its square still is a number
CELL = np.dtype([("unused", "u1")])
RECORD = np.dtype(
    [
        ("first", "i8"),
        ("cells", "i8"),
        ("lag_ns", "f8"),
        ("warm_ns", "i8"),
        ("learn_ns", "i8"),
        ("age_ns_max", "i8"),
        ("slope_given", "u1"),
        ("learnt", "u1"),
        ("has_partner", "u1"),
        ("slope", "f8"),
        ("offset", "f8"),
        ("partner_ns", "i8"),
        ("partner_first_ns", "i8"),
        ("lagged", "f8"),
        ("pairs", "f8"),  # while learning, from here on
        ("learn_first_ns", "i8"),
        ("mean_a", "f8"),
        ("mean_b", "f8"),
        ("square_b", "f8"),
        ("product", "f8"),
    ]
)


def configure(
    parameters: Mapping[str, Any], inputs: Sequence[Channel]
) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """Return lag, coefficients and spans, and no cells."""
    slope, offset = parameters["slope"], parameters["offset"]
    return {
        "lag_ns": parameters["lag_s"] * 1e9,
        "warm_ns": min(round(3.0 * parameters["lag_s"] * 1e9), 2**62),
        "learn_ns": min(round(parameters["learn_s"] * 1e9), 2**62),
        "age_ns_max": age_ns_max(parameters, inputs[1]),
        "slope_given": slope is not None,
        "learnt": slope is not None and offset is not None,
        "slope": slope or 0.0,
        "offset": offset or 0.0,
    }, np.zeros(0, CELL)


def refuse(parameters: Mapping[str, Any]) -> list[str]:
    """Refuse an offset without a slope: what it would be the offset of is not said."""
    alone = parameters["offset"] is not None and parameters["slope"] is None
    return ["offset needs slope: give both, slope alone, or neither"] if alone else []


@njit
def _follow(record: Any, time_ns: int, value: float) -> None:
    """Take a reading of the second input into its lag."""
    if not record["has_partner"]:
        record["has_partner"] = 1
        record["partner_first_ns"] = time_ns
        record["lagged"] = value
    elif record["lag_ns"] > 0.0:
        share = -np.expm1(-(time_ns - record["partner_ns"]) / record["lag_ns"])
        record["lagged"] += share * (value - record["lagged"])
    else:
        record["lagged"] = value
    record["partner_ns"] = time_ns


@njit
def _learn(record: Any, time_ns: int, value: float) -> None:
    """Take a pair in; fix the coefficients with the first one behind the learning span."""
    if record["pairs"] == 0.0:
        record["learn_first_ns"] = time_ns
    over = time_ns - record["learn_first_ns"] >= record["learn_ns"]
    if over and record["pairs"] >= PAIRS_MIN:
        if not record["slope_given"]:
            spread = record["square_b"]
            record["slope"] = record["product"] / spread if spread > 0.0 else 0.0
        record["offset"] = record["mean_a"] - record["slope"] * record["mean_b"]
        record["learnt"] = 1
        return
    own = min(max(value, -LEARNT_MAX), LEARNT_MAX)
    other = min(max(record["lagged"], -LEARNT_MAX), LEARNT_MAX)
    record["pairs"] += 1.0
    ahead = other - record["mean_b"]
    record["mean_b"] += ahead / record["pairs"]
    record["mean_a"] += (own - record["mean_a"]) / record["pairs"]
    record["square_b"] += ahead * (other - record["mean_b"])
    record["product"] += ahead * (own - record["mean_a"])


@njit
def advance(records: Any, cells: Any, inputs: Any, outputs: Any) -> int:  # noqa: ARG001  the protocol's
    """Emit one reading for each reading of the first input that has a fresh partner, once learnt."""
    count = 0
    for i in range(len(inputs.slot)):
        record = records[inputs.slot[i]]
        time_ns, value = inputs.time_ns[i], inputs.value[i]
        if inputs.restarted[i]:  # what was learnt stands; what is being learnt begins again
            if inputs.port[i] == 1:
                record["has_partner"] = 0
            record["pairs"] = 0.0
            record["mean_a"] = record["mean_b"] = record["square_b"] = record["product"] = 0.0
        if inputs.port[i] == 1:
            _follow(record, time_ns, value)
            continue
        if not record["has_partner"] or time_ns - record["partner_ns"] > record["age_ns_max"]:
            continue
        if time_ns - record["partner_first_ns"] < record["warm_ns"]:
            continue
        if not record["learnt"]:
            _learn(record, time_ns, value)
        if record["learnt"]:
            outputs.source[count] = i
            outputs.time_ns[count] = time_ns
            outputs.value[count] = value - record["offset"] - record["slope"] * record["lagged"]
            count += 1
    return count
