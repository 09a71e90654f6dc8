"""One running service for the tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Broker, start_broker
from tests.service.running import SMALL_CITY, Sender, Service


@pytest.fixture(scope="module")
def module_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = start_broker(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def small_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalogue") / "small.yaml"
    path.write_text(SMALL_CITY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def service(
    module_broker: Broker, small_city: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("service"), module_broker.url, [small_city]).start()
    yield running
    assert running.close() == 0, running.log


@pytest.fixture(scope="module")
def sender(module_broker: Broker) -> Iterator[Sender]:
    sender = Sender(module_broker.port)
    yield sender
    sender.close()
