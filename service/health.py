"""``lifeline health``: asks a running service how it is, as a container's health check does."""

import http.client
import json
import os
import sys

TIMEOUT_S = 5.0
LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where to ask, not to listen


def ask(host: str, port: int, what: str) -> tuple[bool, str]:
    """Return whether the service that listens there is well, and in which words.

    ``what`` is ``live`` or ``ready``. A service that listens everywhere is asked on loopback.
    """
    connection = http.client.HTTPConnection(LOOPBACK_OF.get(host, host), port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/health/{what}")
        answer = connection.getresponse()
        told = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        return False, f"no answer at {host}:{port}: {error}"
    finally:
        connection.close()
    if answer.status == 200:
        return True, "well"
    faults = [
        f"{check['name']}: {check['detail']}" for check in told.get("checks", ()) if not check["ok"]
    ]
    return False, "; ".join(faults) or "not well"


def main() -> None:
    """Ask the service of this container: quick, because nothing but this file is imported."""
    host, _, port = os.environ.get("LIFELINE_HTTP_LISTEN", "127.0.0.1:8080").rpartition(":")
    well, words = ask(host.strip("[]"), int(port), "live")
    print(words, file=sys.stdout if well else sys.stderr)
    sys.exit(not well)


if __name__ == "__main__":
    main()
