import pytest

from domain.catalogue import Text
from storage.catalogue import Adoption, CatalogueError, adopt

BASE = {
    "facility": "bridge/riverside",
    "quantity": "strain",
    "channel_id": "strain-q2",
    "name": Text("四分点应变", "Strain at a quarter"),
    "sample_interval_s": 5.0,
    "parameters": {"design": 100},
}


def adopted(catalogue, templates, gateway="gw-bridge", district="north", sent_as="S 9", **changes):
    return adopt(catalogue, gateway, district, sent_as, templates=templates, **{**BASE, **changes})


def said(*args, **changes):
    with pytest.raises(CatalogueError) as caught:
        adopted(*args, **changes)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize("gateway", ["gw-bridge", "gw-new"])
def test_adopting_now_and_replaying_the_adoption_give_the_same(build, example, templates, gateway):
    adoption = Adoption(
        gateway, "north", "S 9", "bridge/riverside", "strain", "bridge/riverside/strain-q2",
        BASE["name"], 5.0, {"design": 100},
    )  # fmt: skip
    now = adopted(build(example), templates, gateway)
    assert now == build(example, adoptions=[adoption])
    channel = now.channel("bridge/riverside/strain-q2")
    assert now.channels[now.sent_index[gateway, "S 9"]] is channel
    assert channel.name == BASE["name"]
    assert [limit.value for limit in channel.limits][:1] == [80.0]
    assert "bridge/riverside/strain-q2/mean" in now.channel_index
    assert "bridge/riverside/strain-q2:clock" in now.channel_index
    assert f"gateway/{gateway}:silent" in now.channel_index


def test_an_adoption_leaves_all_else_as_it_was(build, example, templates):
    before = build(example)
    after = adopted(before, templates)
    assert [one for one in after.channels if one.id in before.channel_index] == list(
        before.channels
    )
    assert after.facilities == before.facilities
    assert after.gateways == before.gateways


def test_a_faster_channel_makes_its_gateway_expected_sooner(build, example, templates):
    text = example.replace(", upload_interval_s: 10", "").replace(
        "sample_interval_s: 1\n", "sample_interval_s: 60\n"
    )
    after = adopted(build(text), templates)
    assert after.channel("gateway/gw-bridge:silent").sample_interval_s == 5.0


def test_adoptions_survive_the_files_being_read_again(build, example, templates):
    adoption = Adoption(
        "gw-bridge", "north", "S 9", "bridge/riverside", "strain", "bridge/riverside/strain-q2",
        BASE["name"], 5.0, {"design": 100},
    )  # fmt: skip
    changed = example.replace("high: 120", "high: 125")
    again = build(changed, adoptions=[Adoption.from_plain(adoption.to_plain())])
    assert "bridge/riverside/strain-q2" in again.channel_index


WHERE = "adoption of gw-bridge/S 9:1: "


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"sent_as": "D1"}, ("adoption of gw-bridge/D1:1: the name is channel "
         "bridge/riverside/deflection-midspan already")),
        ({"channel_id": "deflection-midspan"}, WHERE + "a channel "
         "bridge/riverside/deflection-midspan is there already – give it another id"),
        ({"channel_id": "A B"}, WHERE + "`A B` is no id: 1 to 128 of a-z 0-9 . _ / -"),
        ({"facility": "bridge/x"}, WHERE + "no facility `bridge/x` – known: bridge/riverside"),
        ({"quantity": "stain"}, WHERE + "no quantity for a bridge `stain` – "
         "did you mean `strain`?"),
        ({"parameters": {}}, WHERE + "strain-q2 needs the parameter `design` – "
         "add `parameters: {design: …}`"),
        ({"parameters": {"design": float("nan")}}, WHERE + "`design` of parameters of channel "
         "strain-q2 must be a finite number, not nan"),
        ({"sample_interval_s": 0.0}, WHERE + "`sample_interval_s` of channel strain-q2 must be "
         "above 0, not 0.0"),
        ({"district": "south"}, WHERE + "gateway gw-bridge is of district north, not of south"),
        ({"sent_as": "x" * 129}, (f"adoption of gw-bridge/{'x' * 47}…:1: "
         "a name as sent has 1 to 128 characters")),
        ({"gateway": "a/b"}, ("adoption of a/b/S 9:1: `a/b` is one level of a topic: "
         "it may hold no /")),
        ({"zone": "Mars/Olympus"}, WHERE + "no time zone `Mars/Olympus` – such as Asia/Shanghai"),
    ],
)  # fmt: skip
def test_each_fault_of_an_adoption_is_told(build, example, templates, changes, fault):
    assert fault in said(build(example), templates, **changes)
