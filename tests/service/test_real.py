"""Recordings that nobody here made, through the whole service: all that they expect is met."""

import re

import pytest

from service.settings import ROOT
from tests.service.running import run_lifeline

DATA = ROOT.parent / "shared" / "data"
NEEDED = {  # those that are quick; `make real` has all
    "chilbolton_methane": "chilbolton_methane",
    "ea_floods_2014": "ea_floods_2014",
    "openlab_bridge_run_1": "openlab_bridge",
    "trout_creek_bridge_gauge": "trout_creek_bridge_gauge",
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", NEEDED)
def test_a_real_recording_meets_all_that_is_expected_of_it(name):
    folder = DATA / NEEDED[name]
    if not folder.is_dir():
        pytest.skip(f"NOT TESTED ON REAL DATA: {folder} is not there; `make real DATA=…` does it")
    told = run_lifeline("real", "--data", DATA, name, timeout_s=280)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "NOT MET" not in told.stdout
    # The table breaks lines: look at words, not at lines.
    sent, accounted, stored = map(
        int, re.search(r"(\d+) sent, (\d+) accounted for, (\d+) stored", told.stdout).groups()
    )
    assert sent == accounted == stored > 5_000
    assert "Median delay" in told.stdout
