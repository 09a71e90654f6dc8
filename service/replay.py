"""Publishes a recording over real MQTT, and counts what it sent."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from domain.time import NS_PER_S
from simulators.publisher import Publisher
from simulators.recording import Recorded, Recording


@dataclass(slots=True)
class Sent:
    """What was published: messages, the readings in them, and the time taken."""

    frames: int = 0
    readings: int = 0
    seconds: float = 0.0


async def publish_recording(recording: Recording, mqtt_url: str, speed: float = 0.0) -> Sent:
    """Publish all messages in order of time; ``speed`` 0 is as fast as the broker takes them.

    Several gateways are several connections, which the broker serves in no order: so those of one
    moment are taken before those of the next are sent.
    """
    sent = Sent()
    began_s = time.monotonic()
    async with Publisher(mqtt_url) as publisher:
        gateways, moment_ns = set[str](), 0
        async for recorded in _at_speed(recording.messages(), speed):
            message = recorded.message
            gateways.add(message.gateway)
            if message.time_ns != moment_ns and len(gateways) > 1:
                await publisher.drain()
            moment_ns = message.time_ns
            await publisher.publish(message)
            sent.frames += 1
            sent.readings += recorded.reading_count
        await publisher.drain()
    sent.seconds = time.monotonic() - began_s
    return sent


async def _at_speed(recorded: Iterator[Recorded], speed: float) -> AsyncIterator[Recorded]:
    """Yield what is recorded when its time has come, from now on."""
    origin_ns, began_s = 0, time.monotonic()
    for one in recorded:
        origin_ns = origin_ns or one.message.time_ns
        if speed > 0:
            due_s = (one.message.time_ns - origin_ns) / NS_PER_S / speed
            await asyncio.sleep(max(0.0, began_s + due_s - time.monotonic()))
        yield one
