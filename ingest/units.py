"""Units as gateways send them, against the catalogue's UCUM codes.

SenML has its own names of units (RFC 8428, section 12.1; RFC 8798). Most are spelt as in UCUM; the
others stand in a table here.
"""

import re
from functools import lru_cache

_ANNOTATION = re.compile(r"\{[^}]*\}")

# Names of SenML, and what UCUM calls the same. Spelt alike and left out: m, kg, s, A, K, Hz, N, Pa, V, …
_UCUM = {
    "l": ("L", "l"),
    "l/s": ("L/s", "l/s"),
    "/": ("1",),
    "%": ("%",),
    "/100": ("%",),
    "/1000": ("[ppth]", "10*-3"),
    "ppm": ("[ppm]",),
    "ppb": ("[ppb]",),
    "%RH": ("%",),
    "%EL": ("%",),
    "count": ("1",),
    "1/s": ("1/s", "/s", "s-1"),
    "1/min": ("1/min", "/min", "min-1"),
    "beat/min": ("/min", "1/min"),
    "lat": ("deg",),
    "lon": ("deg",),
    "pH": ("[pH]",),
    "dBW": ("B[W]", "dB[W]"),
    "dBm": ("dB[mW]",),
    "Bspl": ("B[SPL]",),
    "B": ("By",),
    "kiB": ("KiBy",),
    "KiB": ("KiBy",),
    "VA": ("V.A",),
    "kVA": ("kV.A",),
    "var": ("V.A",),
    "J/m": ("J/m",),
    "m/s2": ("m/s2", "m.s-2"),
    "NTU": ("[NTU]",),
    "Wh": ("W.h",),
    "kWh": ("kW.h",),
    "Ah": ("A.h",),
    "hPa": ("hPa", "mbar"),
    "ug/m3": ("ug/m3",),
}


@lru_cache(maxsize=4096)
def same_unit(sent: str, ucum: str) -> bool:
    """Return whether the unit ``sent`` is the unit ``ucum``; an annotation ``{…}`` says no other.

    >>> same_unit("%RH", "%{RH}"), same_unit("mm", "mm"), same_unit("m", "mm")
    (True, True, False)
    """
    if sent == ucum:
        return True
    bare = _ANNOTATION.sub("", ucum) or "1"
    return bare in _UCUM.get(sent, (sent,))
