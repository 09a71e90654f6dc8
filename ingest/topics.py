"""MQTT topics: ``lifeline/v1/{district}/{gateway}/data/{format}`` and ``…/status``."""

import re
from dataclasses import dataclass

ROOT = "lifeline"
SUBSCRIPTION = f"{ROOT}/#"
"""Everything below the root, so that wrong topics are counted instead of vanishing in the broker."""

_SEGMENT = r"[a-z0-9._-]{1,128}"
_TOPIC = re.compile(
    rf"{ROOT}/v1/(?P<district>{_SEGMENT})/(?P<gateway>{_SEGMENT})"
    rf"/(?:data/(?P<format>{_SEGMENT})|status)"
)
_ID = re.compile(_SEGMENT)


class TopicError(ValueError):
    """A topic that is not one of ours; the message says what ours look like."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic taken apart; ``format`` is ``None`` for the status topic."""

    district: str
    gateway: str
    format: str | None = None

    def __str__(self) -> str:
        if self.format is None:
            return build_status_topic(self.district, self.gateway)
        return build_data_topic(self.district, self.gateway, self.format)


def parse_topic(text: str) -> Topic:
    """Take a topic apart; raises ``TopicError`` for anything that is not exactly one of ours.

    >>> parse_topic("lifeline/v1/north/gw-1/data/json")
    Topic(district='north', gateway='gw-1', format='json')
    """
    match = _TOPIC.fullmatch(text)
    if match is None:
        raise TopicError(
            f"not a topic of {ROOT}: {text[:128]!r}; publish to"
            f" {ROOT}/v1/<district>/<gateway>/data/<format> or …/status,"
            " ids of a-z 0-9 . _ -, at most 128 characters each"
        )
    return Topic(match["district"], match["gateway"], match["format"])


def build_data_topic(district: str, gateway: str, payload_format: str) -> str:
    """Return the topic of a gateway's data; raises ``TopicError`` for ids that cannot be in one."""
    head = _join(district, gateway)
    return f"{head}/data/{_checked(payload_format)}"


def build_status_topic(district: str, gateway: str) -> str:
    """Return the topic of a gateway's status; raises ``TopicError`` as above."""
    return f"{_join(district, gateway)}/status"


def _join(district: str, gateway: str) -> str:
    return f"{ROOT}/v1/{_checked(district)}/{_checked(gateway)}"


def _checked(segment: str) -> str:
    if _ID.fullmatch(segment) is None:
        raise TopicError(f"not an id: {segment[:128]!r}; use 1 to 128 of a-z 0-9 . _ -")
    return segment
