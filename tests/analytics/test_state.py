"""What makes the state of a channel its own."""

from analytics.house import sign
from domain.catalogue import Catalogue, Channel, Facility, Feature, Gateway, Text

NAME = Text("测点", "channel")


def catalogue(codes):
    return Catalogue(
        1,
        facilities=(Facility("lift/a", "lift", NAME, "north"),),
        gateways=(Gateway("gw", "north", NAME, "lift/a"),),
        channels=(
            Channel("lift/a/code", "lift/a", NAME, "fault_code", 1.0, gateway="gw", sent_as="c"),
            Channel(
                "lift/a/grade",
                "lift/a",
                NAME,
                "code_grade",
                1.0,
                feature=Feature("code", ("lift/a/code",), {"codes": codes, "default": "blue"}),
            ),
        ),
    )


def test_a_code_means_the_same_as_a_number_and_as_a_text():
    as_written = sign(catalogue({90: "orange", "05": "red"}))
    assert as_written == sign(catalogue({"90": "orange", "05": "red"}))
    assert as_written != sign(catalogue({"90": "red", "05": "red"}))
