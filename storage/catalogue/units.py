"""UCUM unit codes, as far as a city's instruments need them (case-sensitive codes)."""

import re
from functools import lru_cache

_PREFIXES = (
    "Y", "Z", "E", "P", "T", "G", "M", "k", "h", "da", "d", "c", "m", "u", "n", "p", "f",
    "a", "z", "y",
)  # fmt: skip
_METRIC = frozenset((
    "m", "s", "g", "rad", "A", "K", "mol", "cd", "sr", "Hz", "N", "Pa", "J", "W", "C",
    "V", "F", "Ohm", "S", "Wb", "Cel", "T", "H", "lm", "lx", "Bq", "Gy", "Sv", "l", "L",
    "bar", "t", "eV", "m[H2O]", "m[Hg]", "B[SPL]", "B[V]", "B", "Np",
))  # fmt: skip
_PLAIN = frozenset((
    "1", "%", "[ppth]", "[ppm]", "[ppb]", "[pptr]", "10*", "10^", "deg", "'", "''", "gon",
    "min", "h", "d", "wk", "mo", "a", "[g]", "[pH]", "[degF]", "[pi]", "[in_i]", "[ft_i]",
    "[psi]", "[NTU]", "[MPN]", "[CFU]", "[car_Au]", "har", "atm",
))  # fmt: skip
_COMPONENT = re.compile(r"([^{}./+-]*?)([+-]?\d{1,3})?(\{[!-z|~]{1,32}\})?")


@lru_cache(maxsize=1024)
def is_unit(code: str) -> bool:
    """Return whether ``code`` is a UCUM code made of the units known here.

    >>> is_unit("um/m"), is_unit("%{LEL}"), is_unit("m3/h"), is_unit("10*-6"), is_unit("microns")
    (True, True, True, True, False)
    """
    if not code or len(code) > 64:
        return False
    terms = re.split(r"[./](?![^{]*\})", code.removeprefix("/"))
    return all(_is_component(term) for term in terms)


def _is_component(term: str) -> bool:
    match = _COMPONENT.fullmatch(term)
    if match is None or not term:
        return False
    atom, exponent, annotation = match[1], match[2], match[3]
    if not atom:  # a number such as 1, or an annotation alone such as {count}
        return exponent == "1" or (exponent is None and annotation is not None)
    if atom in _PLAIN or atom in _METRIC:
        return True
    return any(atom.startswith(prefix) and atom[len(prefix) :] in _METRIC for prefix in _PREFIXES)
