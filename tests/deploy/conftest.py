"""One running service for the tests of what stands around it."""

from collections.abc import Iterator

import pytest

from tests.conftest import Broker
from tests.service.running import SMALL_CITY, Service


@pytest.fixture(scope="package")
def running(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("running")
    (folder / "city.yaml").write_text(SMALL_CITY, encoding="utf-8")
    given = {"mqtt_client_id": "lifeline-behind"}
    service = Service(folder / "service", broker.url, [folder / "city.yaml"], given).start()
    yield service
    assert service.close() == 0, service.log
