"""The URL of an MQTT broker."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

_VERSIONS = ("5", "3.1.1")
_OPTIONS = {"version", "ca", "cert", "key"}


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """A broker's URL, taken apart.

    ``mqtt[s]://[user[:password]@]host[:port][?version=3.1.1][&ca=file][&cert=file&key=file]``: with
    ``mqtts`` the broker's certificate must be signed by ``ca`` (without it, by one of the system's
    authorities) and carry the host's name; ``cert`` and ``key`` are our own.
    """

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    version_3: bool
    ca_file: str | None
    certificate_file: str | None = None
    key_file: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a URL apart; raises ``ValueError`` that says what to write instead."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _url_error(str(error)) from None
        if parts.scheme not in ("mqtt", "mqtts"):
            raise _url_error(f"the scheme is {parts.scheme!r}")
        if not parts.hostname or port == 0:
            raise _url_error("the host is missing" if port != 0 else "port 0 cannot be reached")
        if parts.path not in ("", "/") or parts.fragment:
            raise _url_error(f"{parts.path or '#' + parts.fragment!r} means nothing here")
        options = parse_qs(parts.query, keep_blank_values=True)
        tls = parts.scheme == "mqtts"
        _check_options(options, tls=tls)
        return cls(
            host=parts.hostname,
            port=port or (8883 if tls else 1883),
            tls=tls,
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            version_3=options.get("version", ["5"])[-1] == "3.1.1",
            ca_file=options.get("ca", [None])[-1],
            certificate_file=options.get("cert", [None])[-1],
            key_file=options.get("key", [None])[-1],
        )

    def __str__(self) -> str:
        """Return the URL without the password, for logs."""
        user = f"{self.user}@" if self.user else ""
        return f"mqtt{'s' if self.tls else ''}://{user}{self.host}:{self.port}"


def _check_options(options: dict[str, list[str]], *, tls: bool) -> None:
    if set(options) - _OPTIONS or options.get("version", ["5"])[-1] not in _VERSIONS:
        raise _url_error(
            "options are version=5, version=3.1.1, ca=<file>, cert=<file> and key=<file>"
        )
    if not tls and len(_OPTIONS & set(options) - {"version"}):
        raise _url_error("ca, cert and key are of mqtts:// only")
    if ("cert" in options) != ("key" in options):
        raise _url_error("cert and key belong together")


def _url_error(problem: str) -> ValueError:
    # The URL itself stays out of the message: it may hold a password.
    return ValueError(
        f"not a broker's URL, {problem}: write mqtt[s]://user:password@host:port,"
        " with % codes for special characters in user and password"
    )
