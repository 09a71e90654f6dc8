"""``lifeline publish``: one message, as a newcomer's own gateway would send it."""

import asyncio
import math
import time
from collections.abc import Sequence

from ingest.broker_url import BrokerUrl
from ingest.topics import build_data_topic
from ingest.wire import json_values
from simulators.feed import Message
from simulators.publisher import Publisher, PublishError

TIMEOUT_S = 10.0


class PublishRefusedError(Exception):
    """The message could not be delivered; the text says why."""


async def publish_once(
    mqtt_url: str, district: str, gateway: str, values: Sequence[str]
) -> tuple[str, bytes]:
    """Publish ``name=value`` readings stamped now; return the topic and the payload.

    Raises ``ValueError`` for a value that is no number, or an id or a URL that is none, and
    ``PublishRefusedError`` where the broker does not take it.
    """
    broker = BrokerUrl.parse(mqtt_url)
    topic = build_data_topic(district, gateway, "json")
    payload = json_values.encode(dict(map(_parse, values)), time.time_ns())
    message = Message(time.time_ns(), gateway, district, "json", payload)
    try:
        async with asyncio.timeout(TIMEOUT_S), Publisher(mqtt_url) as publisher:
            await publisher.publish(message)
            await publisher.drain()
    except TimeoutError:
        raise PublishRefusedError(
            f"no broker answers at {broker} within {TIMEOUT_S:.0f} s"
        ) from None
    except PublishError as error:
        raise PublishRefusedError(f"the broker refuses: {error}") from None
    return topic, payload


def _parse(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"write name=value, such as temperature=21.5, not {text!r}")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name}: {value!r} is not a number")
    return name, number
