"""nginx in front of the real service, with the deployed file: TLS, and events as they happen."""

import re
import shutil
import socket
import ssl
import subprocess

import httpx
import pytest

from tests.conftest import free_port
from tests.deploy.files import DEPLOY
from tests.servers.certificates import Authority
from tests.service.running import AUTHORIZED, Sender, Service, events, wait_for

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

pytestmark = pytest.mark.skipif(shutil.which(NGINX) is None, reason="needs nginx")


def configuration(folder, listen, upstream):
    """Return a whole configuration around the deployed files, with this test's places in them."""
    authority = Authority(folder / "authority")
    certificate = authority.server("IP:127.0.0.1")
    host = (DEPLOY / "nginx" / "upstream-host.conf").read_text(encoding="utf-8")
    (folder / "upstream.conf").write_text(
        host.replace("127.0.0.1:8080", f"127.0.0.1:{upstream}"), encoding="utf-8"
    )
    text = (DEPLOY / "nginx" / "lifeline.conf").read_text(encoding="utf-8")
    text = re.sub(r"\n\s*listen \[::\]:443[^\n]*", "", text)
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{listen} ssl"),
        ("/etc/lifeline/nginx-upstream.conf", str(folder / "upstream.conf")),
        ("/etc/lifeline/tls/server.crt", str(certificate.file)),
        ("/etc/lifeline/tls/server.key", str(certificate.key)),
    ):
        assert old in text, old
        text = text.replace(old, new)
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = (
        f"daemon off; pid {folder}/pid; error_log {folder}/log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{places}{text}\n}}\n"
    )
    (folder / "nginx.conf").write_text(whole, encoding="utf-8")
    return folder / "nginx.conf", authority.file


@pytest.fixture(scope="module")
def front(running, tmp_path_factory):
    """Run the nginx; a service whose requests go through it."""
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    port = free_port()
    file, authority = configuration(folder, port, running.port)
    told = subprocess.run([NGINX, "-t", "-c", file], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    process = subprocess.Popen([NGINX, "-c", file], stderr=subprocess.DEVNULL)

    def listens():
        assert process.poll() is None, (folder / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_for(listens, "nginx listens")
    through = Service(folder / "front", "", [], port=port)
    through.http.close()
    context = ssl.create_default_context(cafile=str(authority))
    url = f"https://127.0.0.1:{port}/api/v1"
    through.http = httpx.Client(base_url=url, timeout=20, verify=context)
    yield through
    through.http.close()
    process.terminate()
    process.wait(15)


def test_events_come_through_as_they_happen(front, running, broker):
    sender = Sender(broker.port, "front-sender")
    with events(front) as told:
        assert next(told)[0] == "hello"
        sender.reading("gw-bridge", "D1", 155.5)
        transition = next(
            data
            for event, data in told
            if event == "transition" and data["alarm"]["channel"] == "bridge/test/deflection"
        )
    sender.close()
    assert transition["kind"] == "raised"
    assert running.items("/alarms") == front.items("/alarms")


def test_a_key_passes_and_the_answers_are_the_service_s(front):
    (alarm, *_) = front.items("/alarms")
    answer = front.http.post(f"/alarms/{alarm['id']}/acknowledge", json={}, headers=AUTHORIZED)
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert "nginx/" not in answer.headers.get("server", "")
    refused = front.http.post(f"/alarms/{alarm['id']}/acknowledge", json={})
    assert refused.headers["content-type"] == "application/problem+json"


def test_the_metrics_are_not_for_everybody(front, running):
    root = str(front.http.base_url).removesuffix("/api/v1/")
    assert front.http.get(f"{root}/metrics").status_code == 404
    assert front.http.get(f"{root}/health/live").status_code == 200
    assert running.http.get(f"{running.url}/metrics").status_code == 200


def test_both_protocols_of_today_are_spoken(front):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert spoken(front.port, context) == "TLSv1.3"
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert spoken(front.port, context) == "TLSv1.2"


def spoken(port, context):
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain) as secure,
    ):
        return secure.version()
