"""What a gateway logs in with: its broker password, its HTTP key, its client certificate.

Each is made here, shown once, and kept only as a hash.
"""

import base64
import hashlib
import os
import secrets
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ITERATIONS = 101  # mosquitto_passwd's own: the password has 256 random bits, not a person's eight
SALT_BYTES = 12
CERTIFICATE_DAYS = 825


class GatewaySecretError(Exception):
    """Something could not be made; the message says what to do."""


def password_line(user: str, password: str) -> str:
    """Return a line of mosquitto's password file: PBKDF2 of SHA-512, as mosquitto_passwd writes."""
    salt = secrets.token_bytes(SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    fields = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{user}:$7${ITERATIONS}${'$'.join(fields)}"


def put_password(file: Path, user: str, line: str | None) -> bool:
    """Put a user's line into the file, or take it out (``None``); return whether there was one.

    The file is replaced whole, with the permissions and the owner it has, or ``0600`` where it is
    new, so that the broker never reads half of it.
    """
    try:
        old = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        kept = [each for each in old if each.partition(":")[0] != user]
        _replace(file, "".join(f"{each}\n" for each in [*kept, *([line] if line else [])]))
    except OSError as error:
        raise GatewaySecretError(f"password file {file}: {error.strerror}") from None
    return len(kept) < len(old)


def _replace(file: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        if file.exists():
            there = file.stat()
            Path(name).chmod(there.st_mode & 0o7777)
            if os.geteuid() == 0:
                os.chown(name, there.st_uid, there.st_gid)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class Issuer:
    """The authority that signs client certificates: its certificate and key, PEM files."""

    certificate: Path
    key: Path


def issue_certificate(issuer: Issuer, gateway: str, folder: Path) -> tuple[Path, Path]:
    """Make a key and a client certificate with the gateway's id as common name; return both files.

    Raises ``GatewaySecretError``; files that are there already are not overwritten.
    """
    certificate, key = folder / f"{gateway}.crt", folder / f"{gateway}.key"
    for file in (certificate, key):
        if file.exists():
            raise GatewaySecretError(f"{file} is there already: move it away first")
    with tempfile.TemporaryDirectory() as name:
        request, extensions = Path(name, "request"), Path(name, "extensions")
        extensions.write_text("extendedKeyUsage=clientAuth\n", encoding="ascii")
        folder.mkdir(parents=True, exist_ok=True)
        key.touch(mode=0o600)
        try:
            _openssl(
                "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={gateway}", "-keyout", key, "-out", request,
            )  # fmt: skip
            _openssl(
                "x509", "-req", "-in", request, "-CA", issuer.certificate, "-CAkey", issuer.key,
                "-set_serial", f"0x{secrets.token_hex(16)}", "-days", CERTIFICATE_DAYS,
                "-extfile", extensions, "-out", certificate,
            )  # fmt: skip
        except GatewaySecretError:
            key.unlink(missing_ok=True)
            certificate.unlink(missing_ok=True)
            raise
    return certificate, key


def _openssl(*arguments: object) -> None:
    try:
        done = subprocess.run(  # noqa: S603  no shell, and ids of [a-z0-9._-] only
            ["openssl", *map(str, arguments)],  # noqa: S607  wherever it is installed
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise GatewaySecretError("openssl is not installed: it makes the certificates") from None
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        raise GatewaySecretError(f"openssl: {reason[-1] if reason else 'failed'}")
