import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.topics import (
    Topic,
    TopicError,
    build_data_topic,
    build_status_topic,
    parse_topic,
)

ids = st.text("abcxyz019._-", min_size=1, max_size=128)


def test_a_data_topic_names_district_gateway_and_format():
    assert parse_topic("lifeline/v1/north/gw-7.a_b/data/json") == Topic("north", "gw-7.a_b", "json")


def test_a_status_topic_has_no_format():
    assert parse_topic("lifeline/v1/north/gw-7/status") == Topic("north", "gw-7", None)


@given(ids, ids, ids)
def test_what_is_built_is_parsed(district, gateway, payload_format):
    for topic in (
        build_data_topic(district, gateway, payload_format),
        build_status_topic(district, gateway),
    ):
        assert str(parse_topic(topic)) == topic


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lifeline",
        "lifeline/v2/north/gw/data/json",
        "lifeline/v1/north/gw/data",
        "lifeline/v1/north/gw/data/",
        "lifeline/v1/north/gw/data/json/more",
        "lifeline/v1/north/gw/status/",
        "/lifeline/v1/north/gw/status",
        "lifeline/v1//gw/status",
        "lifeline/v1/North/gw/status",
        "lifeline/v1/north/gw /status",
        "lifeline/v1/north/gw/status\n",
        "lifeline/v1/north/网关/status",
        f"lifeline/v1/north/{'g' * 129}/status",
    ],
)
def test_anything_else_is_refused_with_what_to_do(text):
    with pytest.raises(TopicError, match="publish to lifeline/v1/<district>/<gateway>"):
        parse_topic(text)


@given(st.text())
def test_no_text_breaks_the_parser(text):
    with pytest.raises(TopicError):
        parse_topic("x" + text)


@pytest.mark.parametrize("bad", ["", "A", "a/b", "a+", "#", "g" * 129])
def test_a_topic_is_not_built_of_what_is_no_id(bad):
    with pytest.raises(TopicError, match="not an id"):
        build_status_topic("north", bad)
    with pytest.raises(TopicError, match="not an id"):
        build_data_topic("north", "gw", bad)
