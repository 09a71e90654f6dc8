"""Words for systemd: when the service is ready, that it is alive, and that it stops.

The protocol of sd_notify(3) is a datagram of ``NAME=value`` lines to a socket that the environment
names. Without that name (a terminal, a container) nothing is said.
"""

import asyncio
import os
import socket
from collections.abc import Callable

import structlog

LOOK_S = 0.05
FOR_EVER_S = 3600.0

log = structlog.get_logger(__name__)


def tell(*lines: str) -> None:
    """Send ``NAME=value`` lines; a supervisor that does not listen is no reason to fail."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # An address that begins with @ is of the abstract namespace, which Python writes as NUL.
    place = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), place)
    except OSError as error:
        log.warning("systemd does not listen", error=str(error))


def watchdog_interval_s() -> float | None:
    """Return how often systemd wants to hear of this process; ``None`` where it does not ask."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    meant = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not meant or not microseconds.isdigit() or int(microseconds) == 0:
        return None
    return int(microseconds) / 2_000_000  # twice in the time, as sd_watchdog_enabled(3) advises


async def keep_told(started: Callable[[], bool], alive: Callable[[], bool]) -> None:
    """Say that the service is ready once it has ``started``, then that it lives, for ever.

    It runs on the event loop: a loop that hangs, and one whose tasks have ended, is not alive.
    """
    while not started():  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(LOOK_S)
    tell("READY=1", "STATUS=judging")
    interval_s = watchdog_interval_s()
    while True:
        if interval_s is not None and alive():
            tell("WATCHDOG=1")
        await asyncio.sleep(interval_s or FOR_EVER_S)
