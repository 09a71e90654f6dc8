import pytest

from storage.catalogue.units import is_unit

GOOD = [
    "1",
    "um/m",
    "mm",
    "m/s2",
    "[g]",
    "%{LEL}",
    "%{LEL}/min",
    "%{vol}",
    "[ppm]",
    "mm/h",
    "kN",
    "Cel",
    "deg",
    "L/s",
    "m3/h",
    "kPa",
    "MPa",
    "m[H2O]",
    "%{RH}",
    "dB[SPL]",
    "min",
    "t",
    "km/h",
    "10*-6",
    "10*-3/m",
    "{count}",
    "1/m",
    "mm/d",
    "cm/s2",
    "kN.m",
    "/s",
    "A",
    "V",
    "Hz",
    "cm3/m3",
    "{a/b}/s",
]
WRONG = [
    "",
    "microns",
    "mmm",
    "/",
    "a..b",
    "m/",
    "um//m",
    "{",
    "LEL",
    "x{y}",
    "°C",
    "ppm",
    "m" * 80,
]


@pytest.mark.parametrize("code", GOOD)
def test_units_of_the_trade_are_known(code):
    assert is_unit(code)


@pytest.mark.parametrize("code", WRONG)
def test_what_is_no_ucum_code_is_not(code):
    assert not is_unit(code)
