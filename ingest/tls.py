"""TLS towards the broker: whom we trust, who we are, and what is wrong when it does not work."""

import ssl

from ingest.broker_url import BrokerUrl

_EXPIRED, _NOT_YET = 10, 9  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED and _NOT_YET_VALID
_UNTRUSTED = (2, 18, 19, 20, 21)  # X509_V_ERR_… of issuers that are not known, or sign themselves
_HANDSHAKE = "does this port speak TLS, and does it accept our certificate?"
_OTHER_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH


def client_context(url: BrokerUrl) -> ssl.SSLContext:
    """Return the context of a connection to ``url``: its certificate and name are checked.

    Raises ``ValueError`` that names the file which cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=url.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"ca={url.ca_file}: {_reason(error)}: name a PEM file") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if url.certificate_file is None:
        return context
    try:
        context.load_cert_chain(url.certificate_file, url.key_file, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ValueError(
            f"cert={url.certificate_file} with key={url.key_file}: {_reason(error)}:"
            " name the PEM files of a certificate and its key, without a pass phrase"
        ) from None
    return context


def _no_password() -> str:
    """Refuse keys with a pass phrase: OpenSSL would ask for it on the terminal, for ever."""
    raise ValueError("the key has a pass phrase")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not readable").replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)


def tls_fault(error: Exception, url: BrokerUrl) -> str:
    """Return what a person can do about a failed handshake; empty where it was none."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_fault(error, url)
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).replace("_", " ").lower()
        if "alert" in reason:
            return f"{reason}: the broker does not accept our certificate (?cert=…&key=…)"
        return f"{reason}: {_HANDSHAKE}"
    if url.tls and isinstance(error, ConnectionResetError | BrokenPipeError):
        return f"the broker hung up: {_HANDSHAKE}"
    return ""


def _certificate_fault(error: ssl.SSLCertVerificationError, url: BrokerUrl) -> str:
    what = f"the broker's certificate: {error.verify_message}"
    code = error.verify_code
    if code in (_EXPIRED, _NOT_YET):
        return f"{what}: renew it, or set this machine's clock"
    if code in _UNTRUSTED:
        given = f"ca={url.ca_file}" if url.ca_file else "the system's authorities (no ?ca= given)"
        return f"{what}: it is not signed by {given}"
    if code in _OTHER_NAME:
        return f"{what}: connect by a name that it carries, or have {url.host} put into it"
    return what
