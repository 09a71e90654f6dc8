"""The servers of the deployed archive, one of each for the session."""

import pytest

from tests.servers.influx import InfluxServer, V2Front


@pytest.fixture(scope="session")
def influx(tmp_path_factory):
    """An InfluxDB that tests leave running."""
    server = InfluxServer(tmp_path_factory.mktemp("influx"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def front(influx, tmp_path_factory):
    """The write interface of 2.x before it."""
    nginx = V2Front(tmp_path_factory.mktemp("front"), influx)
    nginx.start()
    yield nginx
    nginx.stop()
