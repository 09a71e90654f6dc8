"""The broker as it is deployed: mosquitto with the very files of ``deploy/mosquitto``."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.servers.certificates import Authority, Certificate

DEPLOYED = Path(__file__).resolve().parents[2] / "deploy" / "mosquitto"
SERVICE_PASSWORD = "password-of-the-service"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EdgeBroker:
    """mosquitto on two free ports: ``port`` by password, ``certificate_port`` by certificate."""

    def __init__(
        self, folder: Path, passwords: Mapping[str, str], server: Certificate | None = None
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(folder / "certs")
        self.server = server or self.authority.server("IP:127.0.0.1", "DNS:localhost")
        self.port, self.certificate_port = free_port(), free_port()
        self.passwords = folder / "passwords"
        self._write_passwords({"lifeline": SERVICE_PASSWORD, **passwords})
        self._process: subprocess.Popen[bytes] | None = None

    def _write_passwords(self, passwords: Mapping[str, str]) -> None:
        """Write them with mosquitto's own tool."""
        self.passwords.touch(mode=0o600)
        for user, password in passwords.items():
            subprocess.run(
                ["mosquitto_passwd", "-b", str(self.passwords), user, password],
                check=True,
                capture_output=True,
            )

    def configuration(self) -> str:
        """Return the deployed file with this broker's paths and ports in it."""
        text = (DEPLOYED / "mosquitto.conf").read_text(encoding="utf-8")
        for old, new in (
            ("listener 8883", f"listener {self.port} 127.0.0.1"),
            ("listener 8884", f"listener {self.certificate_port} 127.0.0.1"),
            ("/mosquitto/config/certs/ca.crt", str(self.authority.file)),
            ("/mosquitto/config/certs/server.crt", str(self.server.file)),
            ("/mosquitto/config/certs/server.key", str(self.server.key)),
            ("/mosquitto/users/passwords", str(self.passwords)),
            ("/mosquitto/config/acl", str(DEPLOYED / "acl")),
            ("/mosquitto/data/", f"{self.folder}/"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        return text + "user root\n"  # as which the tests run: it could not write its folder else

    def start(self) -> None:
        file = self.folder / "mosquitto.conf"
        file.write_text(self.configuration(), encoding="utf-8")
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([program, "-c", str(file)], stdout=log, stderr=log)
        deadline_s = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    raise AssertionError(self.log()) from None
                time.sleep(0.01)
            else:
                return

    def reload(self) -> None:
        """Have it read its users again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(15)
            self._process = None

    def log(self) -> str:
        return (self.folder / "mosquitto.log").read_text(encoding="utf-8", errors="replace")

    @property
    def service_url(self) -> str:
        return self.url("lifeline", SERVICE_PASSWORD)

    def url(self, user: str, password: str, **options: object) -> str:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        more = f"&{query}" if query else ""
        return f"mqtts://{user}:{password}@127.0.0.1:{self.port}?ca={self.authority.file}{more}"

    def certificate_url(self, own: Certificate) -> str:
        files = f"ca={self.authority.file}&cert={own.file}&key={own.key}"
        return f"mqtts://127.0.0.1:{self.certificate_port}?{files}"
