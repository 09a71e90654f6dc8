"""The document of a webhook: an alarm, what changed it, and where to find more."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from domain.alarm import Alarm, Notice, Transition
from domain.time import TIME_NS_MAX, TIME_NS_MIN, format_rfc3339

TEST_TYPE = "webhook.test"

AlarmDocument = Callable[[Alarm], Mapping[str, Any]]
"""Returns the alarm as the HTTP interface shows it."""


class ToldRow(Protocol):
    """A notice and its transition, as the store gives them."""

    @property
    def number(self) -> int:
        """The notice's place in the outbox."""
        ...

    @property
    def notice(self) -> Notice:
        """What is to be told."""
        ...

    @property
    def transition_number(self) -> int | None:
        """The transition's own number, where it is still kept."""
        ...

    @property
    def transition(self) -> Transition | None:
        """What changed the alarm."""
        ...


@dataclass(frozen=True, slots=True)
class BodyWriter:
    """Writes bodies; ``public_url`` is where links lead, empty for links without a host."""

    alarm_document: AlarmDocument
    public_url: str = ""

    def write(self, told: ToldRow, superseded: int = 0) -> str:
        """Return the body for a notice; ``superseded`` earlier ones of its alarm were left out."""
        notice, transition = told.notice, told.transition
        alarm = notice.alarm
        kind = transition.kind.value if transition is not None else "changed"
        at_ns = transition.time_ns if transition is not None else alarm.active_since_ns
        base = f"{self.public_url.rstrip('/')}/api/v1"
        after = max((told.transition_number or 1) - 1, 0)
        return _dump(
            {
                "type": f"alarm.{kind}",
                "timestamp": _time(at_ns),
                "data": {
                    "notice": {
                        "id": notice.id,
                        "number": told.number,
                        "superseded": superseded,
                    },
                    "transition": _transition(told),
                    "alarm": dict(self.alarm_document(alarm)),
                    "links": {
                        "alarm": f"{base}/alarms/{alarm.id}",
                        "transitions": f"{base}/transitions?after={after}",
                    },
                },
            }
        )

    def write_test(self, now_ns: int, author: str) -> str:
        """Return the body of a test, which says nothing of any alarm."""
        data = {"text": {"zh": "测试消息，无告警", "en": "A test. No alarm."}, "author": author}
        return _dump({"type": TEST_TYPE, "timestamp": _time(now_ns), "data": data})


def _transition(told: ToldRow) -> dict[str, Any] | None:
    transition = told.transition
    if transition is None:
        return None
    return {
        "id": transition.id,
        "number": told.transition_number,
        "kind": transition.kind.value,
        "time": _time(transition.time_ns),
        "recorded_at": _time(transition.recorded_ns),
        "previous_grade": transition.previous_grade.word,
        "author": transition.author,
        "reason": transition.reason,
    }


def _time(time_ns: int) -> str:
    return format_rfc3339(min(max(time_ns, TIME_NS_MIN), TIME_NS_MAX))


def _dump(document: Mapping[str, Any]) -> str:
    # ASCII: neither a halved surrogate nor a proxy's idea of an encoding can change what is signed.
    return json.dumps(document, separators=(",", ":"), allow_nan=False)
