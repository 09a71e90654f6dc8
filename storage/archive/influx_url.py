"""Where an InfluxDB is: ``influxdb://[user:password@]host:port/db``, ``influxdb2://token@host:port/org/bucket``."""

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from storage.archive import ArchiveError

FORMS = {
    "influxdb": "influxdb[s]://[user:password@]host:port/database",
    "influxdb2": "influxdb2[s]://token@host:port/organisation/bucket",
}
PORT = 8086


@dataclass(frozen=True, slots=True, repr=False)
class InfluxUrl:
    """A server and the database (of 2.x: bucket) on it. Its ``repr`` shows no secret."""

    version: int
    tls: bool
    host: str
    port: int
    database: str
    organisation: str = ""
    user: str = ""
    secret: str = ""  # the password, or the token

    @property
    def address(self) -> str:
        """The server's address, without secrets."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"{self.address}/{self.database}"

    @classmethod
    def parse(cls, text: str) -> "InfluxUrl":
        """Return what a URL says; raises ``ArchiveError``, which never quotes a secret."""
        scheme, _, place = text.partition("://")
        kind = scheme.removesuffix("s")
        if kind not in FORMS:
            raise ArchiveError(f"write {' or '.join(FORMS.values())}", permanent=True)
        try:
            # A token may hold slashes and equals signs as it comes; the last @ ends it.
            credentials, _, rest = place.rpartition("@")
            parts = urlsplit(f"//{rest}")
            return cls._of(kind, scheme != kind, credentials, parts)
        except ValueError:
            raise ArchiveError(
                f"not the URL of an archive on InfluxDB: write {FORMS[kind]}", permanent=True
            ) from None

    @classmethod
    def _of(cls, kind: str, tls: bool, credentials: str, parts: SplitResult) -> "InfluxUrl":
        path = [unquote(part) for part in parts.path.strip("/").split("/")]
        if not parts.hostname or not all(path) or len(path) != (1 if kind == "influxdb" else 2):
            raise ValueError("incomplete")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        user, colon, secret = credentials.partition(":")
        if kind == "influxdb2":
            if not credentials:
                raise ValueError("no token")
            secret = unquote(credentials)
            return cls(2, tls, host, parts.port or PORT, path[1], path[0], "", secret)
        if credentials and not (user and colon):
            raise ValueError("a user without a password")
        return cls(1, tls, host, parts.port or PORT, path[0], "", unquote(user), unquote(secret))
