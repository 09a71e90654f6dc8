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


@pytest.fixture
def private_influx(tmp_path):
    """Start servers of this test's own: ``private_influx(auth=True)``."""
    started = []

    def start(**options):
        server = InfluxServer(tmp_path / f"influx-{len(started)}", **options)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()
