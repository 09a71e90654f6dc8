"""Readings that the archive refuses for good, on their way into quarantine and books."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from domain.accounting import Fate, Reason, Reject, Unit
from domain.catalogue import Catalogue, Channel
from domain.time import format_rfc3339
from service.committing import Committer
from storage.archive import ArchiveError, RefusedReading
from storage.refusals import Refusal, keep_refusals
from storage.state import StateEngine

KEEP_TIMEOUT_S = 60.0

log = structlog.get_logger(__name__)


class Refusals:
    """Keeps them; ``take`` is called in the archive's thread and returns when they are kept."""

    def __init__(
        self,
        engine: StateEngine,
        committer: Committer,
        catalogue: Callable[[], Catalogue],
        now_ns: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._committer = committer
        self._catalogue = catalogue
        self._now_ns = now_ns
        self._loop = asyncio.get_running_loop()

    def take(self, refused: Sequence[RefusedReading]) -> None:
        """Keep ``refused``, each once; raises ``ArchiveError`` where the state cannot be written."""
        log.error(
            "the archive refused readings for good", count=len(refused), why=refused[0].reason
        )
        keeping = asyncio.run_coroutine_threadsafe(self._keep(refused), self._loop)
        try:
            keeping.result(KEEP_TIMEOUT_S)
        except TimeoutError:
            raise ArchiveError(
                "the state database does not take what the archive refused", permanent=False
            ) from None

    async def _keep(self, refused: Sequence[RefusedReading]) -> None:
        wanted = {each.channel_id for each in refused}
        channels = {each.id: each for each in self._catalogue().channels if each.id in wanted}
        now_ns = self._now_ns()
        refusals = [_refusal(each, channels.get(each.channel_id), now_ns) for each in refused]
        self._committer.ledger.update(await keep_refusals(self._engine, refusals))


def _refusal(reading: RefusedReading, channel: Channel | None, now_ns: int) -> Refusal:
    gateway = (channel and channel.gateway) or ""
    text = f"{format_rfc3339(reading.time_ns)} {reading.value!r} quality {reading.quality}"
    reject = Reject(
        seq=0,
        gateway=gateway,
        topic="",
        received_ns=now_ns,
        unit=Unit.READINGS,
        fate=Fate.QUARANTINED,
        reason=Reason.ARCHIVE,
        detail=f"{reading.channel_id}: {reading.reason}",
        channel_name=(channel and channel.sent_as) or "",
        excerpt=text.encode(),
    )
    return Refusal(reading.channel_id, reading.time_ns, gateway, reject)
