"""What a gateway sends: the payloads of the ``json`` and ``block`` formats (design, contracts)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import cbor2
import msgspec
import numpy as np
import numpy.typing as npt

from domain.time import NS_PER_MS, NS_PER_S, format_rfc3339, seconds_to_ns

FLOAT32_LITTLE_ENDIAN = 85  # RFC 8746

Step = tuple[int, Mapping[str, float]]
"""One time step: event time in ns, and the values by name as sent."""


class TimeForm(StrEnum):
    """How a gateway writes its times."""

    MILLISECONDS = "ms"
    SECONDS = "s"
    RFC3339 = "rfc3339"
    LOCAL = "local"  # without a zone: the gateway's declared zone


def write_time(time_ns: int, form: TimeForm) -> int | float | str:
    """Return ``time_ns`` as a gateway writes it; to the millisecond."""
    if form is TimeForm.MILLISECONDS:
        return time_ns // NS_PER_MS
    if form is TimeForm.SECONDS:
        whole, rest_ns = divmod(time_ns, NS_PER_S)
        return whole if rest_ns == 0 else round(time_ns / NS_PER_S, 3)
    if form is TimeForm.LOCAL:
        offset_ns = seconds_to_ns(8 * 3600)
        return format_rfc3339(time_ns + offset_ns).removesuffix("Z")
    return format_rfc3339(time_ns)


def encode_json(steps: Sequence[Step], form: TimeForm = TimeForm.MILLISECONDS) -> bytes:
    """Return the ``json`` payload of time steps: one object, or a list where there are several."""
    items = [{"ts": write_time(time_ns, form), "values": values} for time_ns, values in steps]
    return msgspec.json.encode(items[0] if len(items) == 1 else items)


def encode_block(
    name: str, start_ns: int, interval_ns: int, values: npt.NDArray[np.float32]
) -> bytes:
    """Return the ``block`` payload of a waveform: CBOR with a typed array of float32."""
    array = cbor2.CBORTag(FLOAT32_LITTLE_ENDIAN, values.astype("<f4").tobytes())
    return cbor2.dumps({"n": name, "t0": start_ns, "dt": interval_ns, "v": array})
