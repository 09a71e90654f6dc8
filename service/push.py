"""Frames that gateways push over HTTP, on the same way into the journal as those of the broker."""

import asyncio
import math
from collections.abc import Callable

from api.ports import Refused
from domain.journal import Frame
from ingest.limits import Limits
from ingest.topics import build_data_topic
from ingest.wire import DECODERS
from service.clock import Clock
from service.committing import append_or_refuse
from service.pipeline import Journal

SETTLE_TIMEOUT_S = 10.0
UNSETTLED_BYTES_MAX = 16 << 20
FRAME_BYTES = 1 << 10  # what a frame costs beside its payload, about
RETRY_S = 2


class PushIntake:
    """Takes pushed frames: a frame is the gateway's until the journal has it.

    What is not settled is bounded in all, and each gateway by the limits that it shares with its
    messages at the broker. ``holding`` tells that intake does not settle now, and why.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        limits: Limits,
        holding: Callable[[], str] = lambda: "",
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._holding = holding
        self.unsettled_bytes = 0

    @property
    def formats(self) -> frozenset[str]:
        """The payload formats that are decoded."""
        return frozenset(DECODERS)

    def admit(self, gateway: str, size: int) -> None:
        """Raise ``Refused`` where a payload of ``size`` bytes cannot be taken now."""
        reason = self._holding()
        if reason:
            raise Refused(503, f"Nothing is taken now: {reason}.", "Keep it.", retry_after_s=30)
        if self.unsettled_bytes + size + FRAME_BYTES > UNSETTLED_BYTES_MAX:
            raise Refused(
                503, "Too much is on its way.", "Send it again shortly.", retry_after_s=RETRY_S
            )
        bucket = self._limits.bucket_of(gateway)
        if not bucket.take(size):
            wait_s = max(1, math.ceil(min(bucket.wait_s(size), 3600.0)))
            raise Refused(
                429,
                "This gateway sends more than it may.",
                f"Keep the frame and send it again after {wait_s} s.",
                retry_after_s=wait_s,
            )

    async def push(self, gateway: str, district: str, payload_format: str, payload: bytes) -> int:
        """Return the number of the frame's row once it is durable; raises ``Refused``.

        A frame that the journal does not take in time may still come to be in it: sent again, it is
        recognised as a duplicate.
        """
        self.admit(gateway, len(payload))
        topic = build_data_topic(district, gateway, payload_format)
        size = len(payload) + FRAME_BYTES
        self.unsettled_bytes += size
        frame = Frame(topic, payload, self._clock.now_ns())
        # Ordered by the journal, not by us: nothing waits between the clock's rows and the append.
        append = asyncio.ensure_future(append_or_refuse(self._journal, self._clock.rows([frame])))
        append.add_done_callback(lambda done: self._settled(done, size))
        try:
            return await asyncio.wait_for(asyncio.shield(append), SETTLE_TIMEOUT_S)
        except TimeoutError:
            raise Refused(
                503,
                "The journal does not take it in time.",
                "Send the same bytes again; they are taken once.",
                retry_after_s=RETRY_S,
            ) from None

    def _settled(self, append: "asyncio.Future[int]", size: int) -> None:
        self.unsettled_bytes -= size
        if not append.cancelled():
            append.exception()  # seen, even where the caller has gone
