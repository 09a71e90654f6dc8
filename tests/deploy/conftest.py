"""One running service for the tests of what stands around it."""

import json
from collections.abc import Iterator

import pytest

from tests.conftest import Broker, free_port
from tests.servers.receiver import SECRET
from tests.service.running import SMALL_CITY, Service


@pytest.fixture(scope="package")
def running(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("running")
    (folder / "city.yaml").write_text(SMALL_CITY, encoding="utf-8")
    nobody = {"name": "nobody", "url": f"http://127.0.0.1:{free_port()}/", "secret": SECRET}
    given = {
        "mqtt_client_id": "lifeline-behind",
        "gateway_limits": json.dumps({"gw-flood": {"frames_per_s": 0.1, "frames_burst": 1}}),
        "webhooks": json.dumps([nobody]),
    }
    service = Service(folder / "service", broker.url, [folder / "city.yaml"], given).start()
    yield service
    assert service.close() == 0, service.log
