"""Answers that many ask for in the same words: made once, and given to all until the world has moved on.

After each event on the stream a thousand consoles ask for the same list at the same moment. One of
them has it made; the others get the same bytes.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from fastapi import Response

AGE_S_MAX = 1.0
KEPT_MAX = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer made or being made, of which version of the world, and since when."""

    version: object
    begun_s: float
    making: asyncio.Task[bytes]


class Answers:
    """The last answers by what was asked. Used on one event loop only.

    ``version`` is of all that an answer depends on and can be told at once; what cannot (something old
    is removed) is seen after a second.
    """

    def __init__(self, age_s_max: float = AGE_S_MAX, kept_max: int = KEPT_MAX) -> None:
        self._age_s_max = age_s_max
        self._kept_max = kept_max
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()

    async def give(
        self, asked: Hashable, version: object, make: Callable[[], Awaitable[bytes]]
    ) -> bytes:
        """Return the answer to ``asked`` in this version of the world; raises what ``make`` raises."""
        answer = self._kept.get(asked)
        if answer is None or not self._holds(answer, version):
            making = asyncio.create_task(_made(make))
            making.add_done_callback(_seen)
            self._kept[asked] = answer = Answer(version, time.monotonic(), making)
            self._kept.move_to_end(asked)
            if len(self._kept) > self._kept_max:
                self._kept.popitem(last=False)
        # Shielded: others wait for it, too.
        return await asyncio.shield(answer.making)

    def _holds(self, answer: Answer, version: object) -> bool:
        if answer.version != version or time.monotonic() - answer.begun_s > self._age_s_max:
            return False
        making = answer.making
        return not making.done() or _seen(making) is None


def json_of(document: bytes) -> Response:
    """Return a finished document as an answer."""
    return Response(document, media_type="application/json")


def _seen(making: asyncio.Task[bytes]) -> BaseException | None:
    """Return why there is no answer; the loop complains of no failure that was looked at."""
    return asyncio.CancelledError() if making.cancelled() else making.exception()


async def _made(make: Callable[[], Awaitable[bytes]]) -> bytes:
    return await make()
