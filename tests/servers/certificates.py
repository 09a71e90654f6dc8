"""Certificates made by openssl: an authority, and what it signs, right or wrong."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

DAYS = 30
# ``openssl ca`` is the one command that makes a certificate of the past.
_EXPIRED = """\
[ca]
default_ca = expired
[expired]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
"""


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as PEM files."""

    file: Path
    key: Path


class Authority:
    """Signs certificates for servers and clients; its files lie in ``folder``."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file, self.key = folder / "ca.crt", folder / "ca.key"
        openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", DAYS, "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.file,
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip

    def server(self, *names: str, expired: bool = False, label: str = "server") -> Certificate:
        """Return a server's certificate; names are such as ``IP:127.0.0.1`` and ``DNS:broker``."""
        return self._sign(label, "server", "serverAuth", ",".join(names), expired=expired)

    def client(self, user: str, *, expired: bool = False, label: str = "") -> Certificate:
        """Return a client's certificate: ``user`` is its common name."""
        return self._sign(
            label or f"client-{user}", user, "clientAuth", f"DNS:{user}", expired=expired
        )

    def _sign(
        self, label: str, subject: str, usage: str, names: str, *, expired: bool
    ) -> Certificate:
        made = Certificate(self.folder / f"{label}.crt", self.folder / f"{label}.key")
        request, extensions = self.folder / f"{label}.csr", self.folder / f"{label}.ext"
        extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage={usage}\n", "utf-8")
        openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={subject}", "-keyout", made.key, "-out", request,
        )  # fmt: skip
        if expired:
            self._sign_expired(request, extensions, made)
            return made
        openssl(
            "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key,
            "-CAcreateserial", "-days", DAYS, "-extfile", extensions, "-out", made.file,
        )  # fmt: skip
        return made

    def _sign_expired(self, request: Path, extensions: Path, made: Certificate) -> None:
        config = self.folder / "expired.cnf"
        config.write_text(_EXPIRED.format(folder=self.folder), "utf-8")
        (self.folder / "index.txt").write_text("", "utf-8")
        openssl(
            "ca", "-batch", "-config", config, "-cert", self.file, "-keyfile", self.key,
            "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext",
            "-in", request, "-extfile", extensions, "-out", made.file,
        )  # fmt: skip
