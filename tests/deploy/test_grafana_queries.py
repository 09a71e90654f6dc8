"""Every InfluxQL query of the dashboards runs on a real server, on readings as the archive has them."""

import re
import shutil

import pytest

from tools import dashboards

influx = pytest.importorskip("tests.servers.influx")

pytestmark = pytest.mark.skipif(shutil.which("influxd") is None, reason="needs influxd")

CHANNEL = "bridge/test/deflection"
DATABASE = "lifeline"
FIRST_NS = 1_790_000_000_000_000_000
SECOND_NS = 1_000_000_000


def queries():
    for name, board in dashboards.DASHBOARDS.items():
        for panel in board["panels"]:
            for target in panel["targets"]:
                if "query" in target:
                    yield f"{name}: {panel['title']}: {target['alias']}", target["query"]


QUERIES = list(queries())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = influx.InfluxServer(tmp_path_factory.mktemp("influx"))
    running.start()
    running.query(f"CREATE DATABASE {DATABASE}")
    lines = [
        f"reading,channel={channel} value={n}.5,quality={quality}i {FIRST_NS + n * SECOND_NS}"
        for channel, quality in ((CHANNEL, 1), ("bridge/test/other", 4))
        for n in range(120)
    ]
    running.write(DATABASE, "\n".join(lines).encode())
    yield running
    running.stop()


def filled(query):
    """Return the query as Grafana sends it."""
    span = f"time >= {FIRST_NS} AND time < {FIRST_NS + 120 * SECOND_NS}"
    for name, value in (("$channel", CHANNEL), ("$timeFilter", span), ("$__interval", "10s")):
        query = query.replace(name, value)
    assert "$" not in query
    return query


@pytest.mark.parametrize(("where", "query"), QUERIES, ids=[where for where, _ in QUERIES])
def test_every_query_finds_the_chosen_channel_s_readings(server, where, query):
    (result,) = server.query(filled(query), DATABASE)
    assert "error" not in result, f"{where}: {result}"
    (series,) = result["series"]
    assert series["name"] == "reading"
    assert 1 <= len(series["values"]) <= 120
    assert all(row[1] is not None for row in series["values"])
    if '("quality")' in query:
        assert {row[1] for row in series["values"]} == {1}


def test_the_variable_lists_the_channels(server):
    (variable,) = dashboards.DASHBOARDS["channels"]["templating"]["list"]
    (result,) = server.query(variable["query"], DATABASE)
    found = {row[1] for row in result["series"][0]["values"]}
    assert found == {CHANNEL, "bridge/test/other"}


def test_the_aggregates_are_those_of_the_readings(server):
    by_legend = {
        legend: query for where, query in QUERIES for legend in [where.rpartition(": ")[2]]
    }
    for legend, first in (("mean", 5.0), ("minimum", 0.5), ("maximum", 9.5)):
        (result,) = server.query(filled(by_legend[legend]), DATABASE)
        assert result["series"][0]["values"][0][1] == first
    assert re.search(r"GROUP BY time\(\$__interval\)", by_legend["mean"])
