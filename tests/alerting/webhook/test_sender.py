"""Against an endpoint of our own, over real sockets."""

import json
import ssl
import subprocess
import time

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from alerting.webhook import Endpoint, Failure, Sender, Trouble, check_secret
from tests.servers.receiver import SECRET as OLD
from tests.servers.receiver import Receiver

NEW = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="


def endpoint(url, **changes):
    return Endpoint(**{"name": "city", "url": url, "secrets": (OLD,), "timeout_s": 5.0, **changes})


class Sending:
    """A sender that is closed after use."""

    def __init__(self, url, now_ns=time.time_ns, **changes):
        self.sender = Sender(endpoint(url, **changes), now_ns)

    async def __aenter__(self):
        return self.sender.send

    async def __aexit__(self, *_):
        await self.sender.close()


async def trouble(answer, headers=None, **changes):
    async with Receiver(lambda _: answer) as receiver:
        receiver.headers = headers or {}
        async with Sending(receiver.url, **changes) as send:
            with pytest.raises(Failure) as caught:
                await send("n-1", "{}")
    assert "secret-path" not in str(caught.value)
    return caught.value


async def test_a_request_is_signed_as_the_librarys_verifier_wants_it():
    body = json.dumps({"type": "alarm.raised", "text": "桥"})
    async with Receiver() as receiver, Sending(receiver.url) as send:
        assert await send("n-1", body) == 204
        [request] = receiver.requests
        assert Webhook(OLD).verify(request.body, request.headers) == json.loads(body)
        assert request.headers["webhook-id"] == "n-1"
        assert request.headers["content-type"] == "application/json"
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(request.body, request.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(OLD).verify(request.body + b" ", request.headers)


async def test_while_a_secret_is_replaced_both_verify():
    async with Receiver() as receiver, Sending(receiver.url, secrets=(NEW, OLD)) as send:
        await send("n-1", "{}")
        for secret in (OLD, NEW):
            Webhook(secret).verify(receiver.requests[0].body, receiver.requests[0].headers)


async def test_a_replay_of_an_old_request_does_not_verify():
    past_ns = time.time_ns() - 3600 * 10**9
    async with Receiver() as receiver, Sending(receiver.url, lambda: past_ns) as send:
        await send("n-1", "{}")
        with pytest.raises(WebhookVerificationError, match="too old"):
            Webhook(OLD).verify(receiver.requests[0].body, receiver.requests[0].headers)


async def test_a_connection_is_used_again():
    async with Receiver() as receiver, Sending(receiver.url) as send:
        for number in range(3):
            await send(f"n-{number}", "{}")
        assert len(receiver._writers) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (500, Trouble.ANSWERED),
        (503, Trouble.ANSWERED),
        (429, Trouble.ANSWERED),
        (408, Trouble.ANSWERED),
        ("reset", Trouble.ANSWERED),
        ("garbage", Trouble.ANSWERED),
        (400, Trouble.REFUSED),
        (404, Trouble.REFUSED),
        (410, Trouble.GONE),
    ],
)
async def test_an_answer_says_whose_trouble_it_is(answer, kind):
    assert (await trouble(answer)).trouble is kind


async def test_a_slow_endpoint_is_given_up_in_time():
    failure = await trouble("slow", timeout_s=0.2)
    assert failure.trouble is Trouble.ANSWERED
    assert "0.2 s" in str(failure)


async def test_an_endless_answer_is_not_read_to_its_end():
    async with Receiver(lambda _: "huge") as receiver, Sending(receiver.url) as send:
        assert await send("n-1", "{}") == 200


async def test_a_redirect_is_not_followed():
    async with Receiver() as elsewhere:
        failure = await trouble(307, {"location": elsewhere.url})
        assert failure.trouble is Trouble.REFUSED
        assert elsewhere.requests == []


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("999999", 300.0), ("soon", 0.0)])
async def test_the_endpoint_may_say_when_to_come_again(text, seconds):
    assert (await trouble(503, {"retry-after": text})).retry_after_s == seconds


async def test_nobody_there_is_unreachable():
    async with Receiver() as receiver:
        url = receiver.url
    async with Sending(url) as send:
        with pytest.raises(Failure, match="cannot connect") as caught:
            await send("n-1", "{}")
    assert caught.value.trouble is Trouble.UNREACHABLE


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """Two folders, each with an authority and a certificate of it for localhost."""
    return [make_authority(tmp_path_factory.mktemp(name)) for name in ("ours", "other")]


def make_authority(folder):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=ca",
        "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    openssl("req", *key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    openssl(
        "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "30",
        "-CAcreateserial", "-extfile", "names", "-out", "cert.pem",
    )  # fmt: skip
    return folder


async def test_only_a_certificate_of_the_trusted_authority_is_spoken_to(authorities):
    ours, other = authorities
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ours / "cert.pem", ours / "key.pem")
    async with Receiver(context=context) as receiver:
        async with Sending(receiver.url, ca_file=ours / "ca.pem") as send:
            assert await send("n-1", "{}") == 204
        for wrong in ({"ca_file": other / "ca.pem"}, {}):
            async with Sending(receiver.url, **wrong) as send:
                with pytest.raises(Failure, match="certificate is not trusted") as caught:
                    await send("n-2", "{}")
            assert caught.value.trouble is Trouble.UNREACHABLE
        assert [request.id for request in receiver.requests] == ["n-1"]


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_short", "whsec_" + "A" * 200, "whsec_é"])
def test_what_is_no_secret_is_refused_without_being_repeated(secret):
    with pytest.raises(ValueError, match="openssl rand") as caught:
        check_secret(secret)
    assert len(secret) < 8 or secret not in str(caught.value)


def test_an_endpoint_shows_neither_path_nor_secret():
    made = endpoint("https://city.example:8443/hooks/secret-path")
    assert made.host == "https://city.example:8443"
    assert "secret-path" not in repr(made)
    assert OLD not in repr(made)
