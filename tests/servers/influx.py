"""A private InfluxDB 1.x, and nginx before it that gives it the write interface of 2.x."""

import json
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 30.0

_INFLUX = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  max-values-per-tag = {values_max}
  max-series-per-database = 0
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = {auth}
  log-enabled = false
  max-body-size = {body_bytes_max}
[monitor]
  store-enabled = false
[logging]
  level = "error"
"""


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def find(name: str) -> str | None:
    """Return where a server's program is; ``None`` where it is not installed."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin")


class _Process:
    """A server as a child process."""

    def __init__(self, name: str, folder: Path, port: int) -> None:
        self.name = name
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        program = find(self.name)
        assert program, f"{self.name} is not installed"
        log = self.folder / f"{self.name}.log"
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [program, *self.command()], stdout=file, stderr=file, stdin=subprocess.DEVNULL
            )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s, log.read_text()
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=30)
            self.process = None

    def kill(self) -> None:
        """End it as a power failure would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=30)
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Have it stand still: connections are made, and nothing is answered."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)


class InfluxServer(_Process):
    """influxd 1.x with its own folder and ports, which it keeps over a restart."""

    def __init__(
        self,
        folder: Path,
        *,
        auth: bool = False,
        values_max: int = 0,
        body_bytes_max: int = 25_000_000,
    ) -> None:
        port, rpc_port = free_ports(2)
        super().__init__("influxd", folder, port)
        text = _INFLUX.format(
            folder=folder,
            port=port,
            rpc_port=rpc_port,
            auth=str(auth).lower(),
            values_max=values_max,
            body_bytes_max=body_bytes_max,
        )
        (folder / "influxdb.conf").write_text(text, encoding="utf-8")

    def command(self) -> list[str]:
        return ["-config", str(self.folder / "influxdb.conf")]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/ping", timeout=5) as answer:
                return answer.status == 204
        except OSError:
            return False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, database: str, credentials: str = "") -> str:
        return f"influxdb://{credentials}127.0.0.1:{self.port}/{database}"

    def query(self, text: str, database: str = "", credentials: str = "") -> Any:
        """Return the results of InfluxQL, ignoring what goes wrong."""
        given = {"db": database, "epoch": "ns"}
        if credentials:
            given["u"], given["p"] = credentials.split(":")
        url = f"{self.address}/query?{urllib.parse.urlencode(given)}"
        data = urllib.parse.urlencode({"q": text}).encode()
        with urllib.request.urlopen(url, data, timeout=30) as answer:
            return json.load(answer)["results"]

    def write(self, database: str, body: bytes) -> None:
        """Write lines past Lifeline."""
        url = f"{self.address}/write?db={database}&precision=n"
        urllib.request.urlopen(url, body, timeout=30).close()

    def new_database(self) -> str:
        """Return the name of a database that is made when somebody opens it."""
        return f"d{uuid.uuid4().hex}"


_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size {body_bytes_max};
  client_body_buffer_size 8m;
  map $arg_precision $precision {{ ns n; us u; ms ms; s s; default n; }}
  upstream influx {{ server 127.0.0.1:{influx_port}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port};
    location = /api/v2/write {{
      if ($http_authorization != "Token {token}") {{ return 401 '{{"code":"unauthorized","message":"unauthorized access"}}'; }}
      rewrite ^ /write?db=$arg_bucket&precision=$precision? break;
      proxy_pass http://influx;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "";
    }}
    location = /query {{
      if ($http_authorization != "Token {token}") {{ return 401 '{{"code":"unauthorized","message":"unauthorized access"}}'; }}
      proxy_pass http://influx;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "";
    }}
    location = /api/v2/delete {{ proxy_pass http://127.0.0.1:{delete_port}; }}
  }}
}}
"""


class V2Front(_Process):
    """nginx that takes 2.x's writes and queries with a token and hands them to a 1.x server.

    What only a real 2.x can show is not here: organisations, scopes of tokens, DBRP mappings. The
    delete interface is put into InfluxQL by a few lines of Python.
    """

    TOKEN = "t0ken-of-the-front/with+signs=="
    ORGANISATION = "city"

    def __init__(
        self, folder: Path, server: InfluxServer, *, body_bytes_max: int = 25_000_000
    ) -> None:
        port, delete_port = free_ports(2)
        super().__init__("nginx", folder, port)
        self._server = server
        self._deleting = ThreadingHTTPServer(("127.0.0.1", delete_port), self._handler())
        text = _NGINX.format(
            folder=folder,
            port=port,
            influx_port=server.port,
            delete_port=delete_port,
            token=self.TOKEN,
            body_bytes_max=body_bytes_max,
        )
        (folder / "nginx.conf").write_text(text, encoding="utf-8")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self._server

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                given = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                measurement = wanted["predicate"].removeprefix("_measurement=").strip('"')
                server.query(
                    f"DELETE FROM {measurement} WHERE time >= '{wanted['start']}' "
                    f"AND time < '{wanted['stop']}'",
                    given["bucket"][0],
                )
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler

    def command(self) -> list[str]:
        folder = self.folder
        return [
            "-p",
            str(folder),
            "-e",
            str(folder / "error.log"),
            "-c",
            str(folder / "nginx.conf"),
        ]

    def start(self) -> None:
        threading.Thread(target=self._deleting.serve_forever, daemon=True).start()
        super().start()

    def stop(self) -> None:
        super().stop()
        self._deleting.shutdown()
        self._deleting.server_close()

    def url(self, bucket: str, token: str = TOKEN) -> str:
        return f"influxdb2://{token}@127.0.0.1:{self.port}/{self.ORGANISATION}/{bucket}"
