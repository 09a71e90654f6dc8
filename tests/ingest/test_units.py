import pytest

from domain.accounting import Account, Fate, Reason, Unit
from domain.catalogue import Catalogue, Channel, Gateway, Quantity, Text
from domain.journal import Frame
from ingest.assemble import Assembler
from ingest.units import same_unit

NAME = Text("g", "g")
T_NS = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("sent", "ucum"),
    [("mm", "mm"), ("Cel", "Cel"), ("%RH", "%{RH}"), ("/", "1"), ("l/s", "L/s"), ("ppm", "[ppm]"), ("um/m", "um/m"), ("count", "{count}")],
)  # fmt: skip
def test_units_that_are_the_same(sent, ucum):
    assert same_unit(sent, ucum)


@pytest.mark.parametrize(("sent", "ucum"), [("m", "mm"), ("K", "Cel"), ("%RH", "mm"), ("C", "Cel")])
def test_units_that_are_not(sent, ucum):
    assert not same_unit(sent, ucum)


def test_a_reading_in_another_unit_than_its_channels_is_refused_and_counted():
    catalogue = Catalogue(
        1,
        quantities=(Quantity("q", NAME, "mm", NAME),),
        gateways=(Gateway("gw", "north", NAME, "f"),),
        channels=(Channel("f/d", "f", NAME, "q", 1.0, gateway="gw", sent_as="d"),),
    )
    pack = b'[{"n":"d","u":"mm","v":1},{"n":"d","u":"m","v":2},{"n":"d","v":3},{"n":"new","u":"m","v":4}]'
    batch, ingested = Assembler(catalogue).step(
        1, [Frame("lifeline/v1/north/gw/data/senml", pack, T_NS)]
    )
    assert batch.value.tolist() == [1.0, 3.0]
    accounts = ingested.accounts
    assert accounts[Account("gw", Unit.READINGS, Fate.REJECTED, Reason.UNIT)] == 1
    assert accounts[Account("gw", Unit.READINGS, Fate.UNREGISTERED)] == 1
    assert accounts[Account("gw", Unit.READINGS, Fate.RECEIVED)] == 4
    [reject] = ingested.rejects
    assert (reject.reason, reject.channel_name) == (Reason.UNIT, "d")
    assert "'m'" in reject.detail
    assert "'mm'" in reject.detail
