"""Sends the demonstration city: its history as fast as the broker takes it, then life."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from domain.time import NS_PER_S
from simulators.demo import Demonstration
from simulators.publisher import Publisher, paced

NOTE_INTERVAL_S = 5.0
LOOK_AGAIN_S = 0.1


async def run_city(
    mqtt_url: str,
    progress_file: Path | None,
    wait_for: str | None,
    passwords: Mapping[str, str] | None = None,
) -> None:
    """Send the city for ever; a later start goes on where the one before stopped.

    ``passwords`` are the gateways' own, by id. Raises ``PublishError`` where the broker refuses one.
    """
    since_ns = _stopped_at_ns(progress_file)
    _note(progress_file, since_ns, live=False)
    if wait_for is not None:
        await answers(wait_for)
    async with Publisher(mqtt_url, passwords) as publisher:
        city = Demonstration(time.time_ns())
        for message in city.backfill(since_ns):
            await publisher.publish(message)
        await publisher.drain()
        noted_s = 0.0
        async for message in paced(city.live()):
            await publisher.publish(message)
            if time.monotonic() - noted_s > NOTE_INTERVAL_S and _is_present(message.time_ns):
                noted_s = time.monotonic()
                _note(progress_file, message.time_ns, live=True)


def read_passwords(file: Path) -> dict[str, str]:
    """Return passwords by gateway from lines ``gateway:password``; raises ``ValueError``."""
    passwords: dict[str, str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        gateway, colon, password = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        if not colon or not gateway or not password:  # the line itself stays out of the message
            raise ValueError(f"{file}:{number}: write gateway:password")
        passwords[gateway] = password
    return passwords


def _is_present(time_ns: int) -> bool:
    return time.time_ns() - time_ns < 2 * NS_PER_S


def _stopped_at_ns(progress_file: Path | None) -> int:
    try:
        return int(json.loads(progress_file.read_text(encoding="utf-8"))["sent_until_ns"])  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError, KeyError, TypeError):
        return 0


def _note(progress_file: Path | None, sent_until_ns: int, *, live: bool) -> None:
    if progress_file is None:
        return
    beside = progress_file.with_suffix(".part")
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.write_text(json.dumps({"sent_until_ns": sent_until_ns, "live": live}), encoding="utf-8")
    beside.replace(progress_file)


async def answers(address: str) -> None:
    """Return when ``address`` answers well."""
    while True:
        try:
            await asyncio.to_thread(lambda: urllib.request.urlopen(address, timeout=5).close())  # noqa: S310  ours
        except (urllib.error.URLError, OSError):
            await asyncio.sleep(LOOK_AGAIN_S)
        else:
            return
