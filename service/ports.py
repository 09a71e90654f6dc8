"""What the HTTP interface is handed: the real parts, seen through its own Protocols."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.ports import Check, Refused
from domain.accounting import Accounts
from domain.alarm import Alarm
from domain.profiles import ActiveProfile
from domain.readings import Int64s, Latest, UInt8s
from domain.time import NS_PER_S, format_rfc3339
from service.archiving import Archiver
from service.committing import Committer, books
from service.evaluator import Evaluator
from storage.archive import Archive, ArchiveError, Buckets, Series
from storage.leadership import Leadership
from storage.state import StateAway

ROWS_BEHIND_MAX = 100_000
STATE_TIMEOUT_S = 5.0

log = structlog.get_logger(__name__)


class LivePicture:
    """The evaluator's state of this moment, as the interface's process asks for it.

    Each catalogue in force has a serial, which rises; its readers have it by that.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._shown = (0, evaluator.catalogue)

    @property
    def serial(self) -> int:
        """The serial of the catalogue in force; to be asked on the service's loop."""
        serial, shown = self._shown
        catalogue = self._evaluator.catalogue
        if catalogue is not shown:
            serial += 1
            self._shown = serial, catalogue
        return serial

    async def described(self) -> tuple[int, int, Mapping[str, str]]:
        """Return the serial of the catalogue in force, its revision, and facilities' profiles."""
        serial = self.serial
        catalogue = self._shown[1]
        return serial, catalogue.revision, catalogue.in_force

    async def latest(self, channel_ids: Sequence[str] | None = None) -> dict[str, Latest]:
        """Return the latest readings and grades."""
        return self._evaluator.latest(channel_ids)

    def newest(self) -> tuple[int, Int64s, UInt8s]:
        """Return all channels' newest times and grades, and the serial of the catalogue they are of.

        -1 where that is not the one in force any more, or not known to be yet.
        """
        catalogue, time_ns, grade = self._evaluator.newest()
        serial, shown = self._shown
        return (serial if shown is catalogue else -1), time_ns, grade

    async def open_alarms(self) -> list[Alarm]:
        """Return the alarms that have not ended."""
        return self._evaluator.open_alarms()

    async def profiles(self) -> Mapping[str, ActiveProfile]:
        """Return the limit profiles in force, by facility id."""
        return self._evaluator.profiles


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """A gateway's own word, and when anything came from it.

    ``online`` is ``None`` until it has said either; ``last_heard_ns`` is the received time of its
    newest frame (0: none); ``since_ns`` when ``online`` became what it is.
    """

    gateway: str
    online: bool | None
    last_heard_ns: int
    since_ns: int


class Books:
    """The books and the gateways as of the last row evaluated."""

    def __init__(self, evaluator: Evaluator, committer: Committer, archiver: Archiver) -> None:
        self._evaluator = evaluator
        self._committer = committer
        self._archiver = archiver

    async def accounts(self) -> Accounts:
        """Return the books, with what the archive has not taken yet as pending."""
        # What is offered and not committed is not in the ledger either.
        pending = self._archiver.pending(self._committer.seq)
        return books(self._committer.ledger, pending)

    async def gateways(self) -> list[GatewayStatus]:
        """Return what is known of each gateway of the catalogue."""
        states = self._evaluator.gateways
        return [
            GatewayStatus(gateway, state.online, state.heard_ns, state.since_ns)
            for gateway, state in sorted(states.items())
        ]


class ArchiveView:
    """The archive, whose errors are answers with a remedy."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def read(self, channel_id: str, start_ns: int, end_ns: int, limit: int) -> Series:
        """Return readings; raises ``Refused`` where the archive cannot be read."""
        with self._as_answers():
            return self._archive.read(channel_id, start_ns, end_ns, limit)

    def read_buckets(self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int) -> Buckets:
        """Return figures; raises ``Refused`` where the archive cannot be read."""
        with self._as_answers():
            return self._archive.read_buckets(channel_id, start_ns, end_ns, bucket_ns)

    @contextmanager
    def _as_answers(self) -> Iterator[None]:
        try:
            yield
        except ArchiveError as error:
            log.warning("archive_read_failed", error=str(error))
            raise Refused(
                503,
                "The archive cannot be read at the moment; alarms and newest readings go on.",
                "Try again in a few seconds; /health/ready says since when the archive is away.",
            ) from None


class ServiceHealth:
    """How the service is, in checks that an operator can act on."""

    def __init__(
        self,
        broker_connected: Callable[[], bool],
        failed_tasks: Callable[[], list[str]],
        evaluated_rows_behind: Callable[[], int],
        archiver: Archiver,
        state_cursor: Callable[[], Awaitable[int]],
        catalogue_activated: Callable[[], bool],
        catalogue_problem: Callable[[], str],
        leadership: Leadership | None = None,
        others: Callable[[], list[Check]] = list,
    ) -> None:
        self._broker_connected = broker_connected
        self._failed_tasks = failed_tasks
        self._rows_behind = evaluated_rows_behind
        self._archiver = archiver
        self._state_cursor = state_cursor
        self._catalogue_activated = catalogue_activated
        self._catalogue_problem = catalogue_problem
        self._leadership = leadership
        self._others = others

    async def live(self) -> bool:
        """Return False where only a restart helps."""
        return not self._failed_tasks()

    async def ready(self) -> list[Check]:
        """Return the checks."""
        failed = self._failed_tasks()
        behind = self._rows_behind()
        connected = self._broker_connected()
        return [
            Check("broker", connected, "connected" if connected else "not connected"),
            Check("judgement", behind < ROWS_BEHIND_MAX, f"{behind} journal rows to judge"),
            self._archive(),
            await self._state(),
            self._catalogue(),
            *self._lead(),
            Check("tasks", not failed, ", ".join(failed) or "all running"),
            *self._others(),
        ]

    def _lead(self) -> list[Check]:
        lead = self._leadership
        if lead is None:
            return []
        words = f"leading, epoch {lead.epoch}" if lead.is_sure else "the lease is not renewed"
        return [Check("leadership", lead.is_sure, words)]

    def _archive(self) -> Check:
        """Return what is said of the archive; not vital, since alarms do not depend on it.

        A leader called unready for it would be taken out of a load balancer: nobody would lead there.
        """
        archiver = self._archiver
        rows = f"{archiver.lag_rows} journal rows behind"
        if archiver.away_since_s is not None:
            since = format_rfc3339(int(archiver.away_since_s) * NS_PER_S)
            words = f"away since {since}, {rows}: {archiver.last_error}"
            return Check("archive", ok=False, detail=words, vital=False)
        if archiver.behind:
            return Check("archive", ok=False, detail=f"catching up, {rows}", vital=False)
        return Check("archive", ok=True, detail=f"{archiver.queued_rows} waiting", vital=False)

    def _catalogue(self) -> Check:
        problem = self._catalogue_problem()
        if problem:
            return Check("catalogue", ok=False, detail=problem)
        activated = self._catalogue_activated()
        words = "the newest revision is active" if activated else "waiting for the newest revision"
        return Check("catalogue", activated, words)

    async def _state(self) -> Check:
        try:
            async with asyncio.timeout(STATE_TIMEOUT_S):
                cursor = await self._state_cursor()
        except StateAway as error:
            return Check("state", ok=False, detail=str(error))
        except (TimeoutError, SQLAlchemyError) as error:
            return Check("state", ok=False, detail=repr(error))
        return Check("state", ok=True, detail=f"at journal row {cursor}")
