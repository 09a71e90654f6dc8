import pytest

from domain.grade import Grade
from storage.catalogue import CatalogueError, load_templates
from storage.catalogue.templates import COMMON, Templates

KINDS = {"bridge", "tunnel", "gas", "drainage", "underpass", "lift"}
SAMPLES = {
    "design": 20, "travel": 80, "control": 20, "baseline": 1.2, "crown": 0.6, "ground": 3.5,
    "nominal": 300, "rated": 2.5, "warning": 3.5, "guarantee": 4.5, "lowest": 11.5,
    "built": 3000, "highest_start": 2.4,
}  # fmt: skip


def every_channel(templates: Templates) -> str:
    """Return a document with a channel of each template of each kind, all parameters given."""
    lines = ["gateways:", "  - {id: g, district: n, facility: bridge-0}", "facilities:"]
    for kind in sorted(templates.kinds):
        lines.append(f"  - {{id: {kind}-0, kind: {kind}, district: n, name: x, channels: [")
        for quantity in templates.quantities_of(kind):
            template = templates.find(kind, quantity)
            given = ", ".join(f"{name}: {SAMPLES[name]}" for name in template.parameters)
            lines.append(
                f"      {{id: {quantity}, quantity: {quantity}, gateway: g, sample_interval_s: 5,"
                f" sent_as: {kind}-{quantity}, parameters: {{{given}}}}},"
            )
        lines.append("    ]}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def city(build, templates):
    return build(every_channel(templates))


def test_there_is_a_template_for_each_kind_of_facility(templates):
    assert set(templates.kinds) == KINDS
    for kind in KINDS:
        assert templates.find(kind, "temperature") is not None


def test_every_template_makes_channels(city, templates):
    measured = {one.id for one in city.channels if one.fault is None and one.feature is None}
    assert len(measured) == sum(len(templates.quantities_of(kind)) for kind in templates.kinds)


def test_every_limit_of_a_template_names_its_source(templates):
    for (kind, name), template in templates.quantities.items():
        specs = [*template.limits]
        for feature in template.features.values():
            specs += feature.limits or ()
        for spec in specs:
            assert spec.source, f"{kind}.{name} line {spec.place.line}"
    for fault in templates.faults.values():
        assert fault.spec.source


def test_every_graded_channel_says_where_its_limits_come_from(city):
    assert all(channel.source for channel in city.channels if channel.limits)


def test_every_quantity_has_a_name_and_symbol_in_both_languages(templates):
    for template in templates.quantities.values():
        quantity = template.quantity
        assert quantity.name.zh
        assert quantity.name.en
        assert quantity.name.zh != quantity.name.en


def test_the_grades_of_every_channel_rise_outwards(city):
    for channel in city.channels:
        for side in {limit.side for limit in channel.limits}:
            limits = [limit for limit in channel.limits if limit.side is side]
            assert limits == sorted(limits, key=lambda limit: limit.grade)
            outwards = [limit.value if side == 0 else -limit.value for limit in limits]
            assert outwards == sorted(outwards)


def test_a_lifts_alarm_button_is_orange_and_unintended_movement_red(city):
    feature = city.channel("lift-0/fault_code/grade").feature
    assert feature.kind == "code"
    assert feature.parameters["codes"]["90"] == "orange"
    assert feature.parameters["codes"]["5"] == "red"
    assert feature.parameters["default"] == "blue"
    assert city.channel("lift-0/fault_code/grade").on_change


def test_the_rainstorm_signals_are_those_of_the_meteorological_administration(city):
    found = {
        (suffix, limit.grade, limit.value)
        for suffix in ("sum-3h", "sum-6h", "sum-12h")
        for limit in city.channel(f"drainage-0/rain/{suffix}").limits
    }
    assert found == {
        ("sum-12h", Grade.BLUE, 50.0),
        ("sum-6h", Grade.YELLOW, 50.0),
        ("sum-3h", Grade.ORANGE, 50.0),
        ("sum-3h", Grade.RED, 100.0),
    }


def test_a_kinds_template_says_only_what_differs_from_the_common_one(templates):
    common = templates.quantities[COMMON, "co"]
    tunnel = templates.find("tunnel", "co")
    assert common.limits == ()
    assert len(tunnel.limits) == 3
    assert tunnel.quantity == common.quantity
    assert tunnel.checks == common.checks
    assert templates.find("lift", "co") is common


def test_a_site_may_bring_quantities_and_kinds_of_its_own(build):
    catalogue = build(
        """
kinds: [{id: culvert, name: {zh: 涵洞, en: Culvert}}]
quantities:
  silt: {name: {zh: 淤积, en: Silt}, unit: cm, sample_interval_s: 60,
         limits: [{grade: blue, high: 10, source: the site}]}
  temperature: {limits: [{grade: blue, high: 30, source: the site}]}
gateways: [{id: g, district: n, facility: c}]
facilities:
  - {id: c, kind: culvert, district: n, name: C, channels: [
      {id: s, quantity: silt, gateway: g, sent_as: s},
      {id: t, quantity: temperature, gateway: g, sent_as: t}]}
"""
    )
    assert catalogue.kind_by_id["culvert"].name.en == "Culvert"
    assert catalogue.quantity_by_id["silt"].unit == "cm"
    assert catalogue.channel("c/t").limits[0].value == 30.0
    assert catalogue.channel("c/t").checks.fail_high == 80.0


def said(tmp_path, text):
    (tmp_path / "kind.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load_templates(tmp_path)
    return [str(fault).removeprefix(f"{tmp_path}/") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("kind: {id: k}\nquantties: {}\n",
         "kind.yaml:2: unknown key `quantties` in a template file – did you mean `quantities`?"),
        ("quantities:\n  q: {name: Q, unit: micron}\n",
         "kind.yaml:2: `micron` is no UCUM unit known here – such as um/m"),
        ("quantities:\n  q: {name: Q}\n",
         "kind.yaml:2: quantity q needs `unit` – add `unit:`"),
        ("quantities:\n  Q: {name: Q, unit: m}\n",
         "kind.yaml:2: `Q` is no id: 1 to 128 of a-z 0-9 . _ / -"),
        ("quantities:\n  q: 7\n",
         "kind.yaml:2: `q` of a template file must be a mapping"),
        ("quantities:\n  q: {name: Q, unit: m, parameters: {p: {requird: true}}}\n",
         ("kind.yaml:2: unknown key `requird` in parameter p of quantity q – "
         "did you mean `required`?")),
        ("quantities:\n  q:\n    name: Q\n    unit: m\n    features:\n      - {suffix: x}\n",
         "kind.yaml:6: a feature of quantity q needs `feature` – add `feature:`"),
        (("quantities:\n  q:\n    name: Q\n    unit: m\n    features:\n"
         "      - {suffix: x, feature: {kind: rate}}\n      - {suffix: x, feature: {kind: rate}}\n"),
         "kind.yaml:7: a second feature `x` of quantity q"),
        ("faults: {ranges: {}}\n", "kind.yaml:1: no fault `ranges`"),
        ("faults: {range: {unit: micron}}\n",
         "kind.yaml:1: `micron` is no UCUM unit known here – such as 1"),
    ],
)  # fmt: skip
def test_each_fault_of_a_template_is_told_where_it_stands(tmp_path, text, fault):
    assert fault in said(tmp_path, text)


def test_a_quantity_means_the_same_in_every_kind(tmp_path):
    (tmp_path / "common.yaml").write_text("quantities: {q: {name: Q, unit: m}}\n")
    (fault,) = said(tmp_path, "kind: {id: k}\nquantities:\n  q: {unit: mm}\n")
    assert fault.startswith("kind.yaml:3: quantity q has another name, unit or symbol in ")


def test_a_folder_without_templates_is_a_fault(tmp_path):
    with pytest.raises(CatalogueError, match="no templates"):
        load_templates(tmp_path)
