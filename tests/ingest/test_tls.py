"""TLS to the broker as it is deployed: who is let in, who is not, and what each is told."""

import asyncio

import pytest
import structlog

from ingest.source import Source
from tests.servers.certificates import Authority, openssl
from tests.servers.edge import EdgeBroker


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    broker = EdgeBroker(tmp_path_factory.mktemp("edge"), {"gw-1": "pw-of-gw-1"})
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "Another authority")


async def outcome(url):
    """Return the first word on a connection: ``connected``, or why not."""
    with structlog.testing.capture_logs() as logs:
        async with Source(url, clock=lambda: 1, client_id=f"test-{id(url)}") as source:
            async with asyncio.timeout(30):
                while not source.connected:
                    told = [e["reason"] for e in logs if e["event"] == "broker not connected"]
                    if told:
                        return told[0]
                    await asyncio.sleep(0.01)
            return "connected"


async def test_the_service_comes_in_by_password_and_by_certificate(edge):
    assert await outcome(edge.service_url) == "connected"
    assert await outcome(edge.service_url + "&version=3.1.1") == "connected"
    own = edge.authority.client("lifeline")
    assert await outcome(edge.certificate_url(own)) == "connected"


async def test_a_wrong_password_or_none_is_refused(edge):
    for url in (
        edge.url("lifeline", "wrong"),
        edge.service_url.replace("lifeline:", "nobody:"),
        f"mqtts://127.0.0.1:{edge.port}?ca={edge.authority.file}",
    ):
        assert "authori" in (await outcome(url)).lower()


async def test_without_a_certificate_or_with_a_strangers_the_certificate_port_is_shut(
    edge, stranger
):
    own = stranger.client("lifeline")
    without = f"mqtts://127.0.0.1:{edge.certificate_port}?ca={edge.authority.file}"
    for url in (without, edge.certificate_url(own)):
        assert "accept our certificate" in await outcome(url)


async def test_an_expired_client_certificate_does_not_come_in(edge):
    old = edge.authority.client("lifeline", expired=True, label="expired-client")
    assert "accept our certificate" in await outcome(edge.certificate_url(old))


async def test_a_broker_signed_by_another_authority_is_not_believed(edge, stranger):
    url = edge.service_url.replace(str(edge.authority.file), str(stranger.file))
    assert f"it is not signed by ca={stranger.file}" in await outcome(url)
    assert "no ?ca= given" in await outcome(edge.service_url.partition("?")[0])


@pytest.mark.parametrize(
    ("names", "expired", "words"),
    [
        (("DNS:elsewhere.example",), False, "connect by a name that it carries"),
        (("IP:127.0.0.1",), True, "certificate has expired: renew it"),
    ],
    ids=["wrong name", "expired"],
)
async def test_a_wrong_certificate_of_the_broker_is_named(tmp_path, names, expired, words):
    authority = Authority(tmp_path / "authority")
    wrong = EdgeBroker(tmp_path / "wrong", {}, authority.server(*names, expired=expired))
    wrong.start()
    try:
        url = wrong.service_url.replace(str(wrong.authority.file), str(authority.file))
        assert words in await outcome(url)
    finally:
        wrong.stop()


async def test_files_that_cannot_be_used_are_named(edge, tmp_path):
    own = edge.authority.client("gw-9")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate", encoding="utf-8")
    base = f"mqtts://127.0.0.1:{edge.port}"
    assert f"ca={tmp_path}/none.pem: No such file" in await outcome(
        f"{base}?ca={tmp_path}/none.pem"
    )
    assert f"ca={nonsense}" in await outcome(f"{base}?ca={nonsense}")
    other = edge.authority.client("gw-8")
    mixed = await outcome(f"{base}?cert={own.file}&key={other.key}")
    assert f"cert={own.file} with key={other.key}: key values mismatch" in mixed


async def test_a_key_with_a_pass_phrase_is_refused_and_asks_nobody(edge, tmp_path):
    own, locked = edge.authority.client("gw-7"), tmp_path / "locked.key"
    openssl("ec", "-in", own.key, "-aes256", "-passout", "pass:hunter2", "-out", locked)
    url = f"mqtts://127.0.0.1:{edge.port}?cert={own.file}&key={locked}"
    assert "the key has a pass phrase" in await outcome(url)


async def test_a_port_without_tls_says_so(broker):
    assert "does this port speak TLS," in await outcome(f"mqtts://127.0.0.1:{broker.port}")
