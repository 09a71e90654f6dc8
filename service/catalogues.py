"""The catalogue's ways in: files, the interface, adoption, commissioning; each makes a revision.

The newest revision is the one that holds. Files make a new one only where their contents are others
than at their last import. A revision is loaded and built beside before its row is written, so that
the row itself takes no time, and one that could not be judged by is never written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.ports import AdoptRequest, Refused
from api.ports_catalogue import Differences, FaultyDocuments
from domain.alarm import Alarm
from domain.catalogue import Catalogue, Channel, Facility
from domain.journal import CatalogueChange, Record
from service.committing import append_or_refuse
from service.differences import differences
from service.importing import (
    Kept,
    build_beside,
    feature_faults,
    import_changed,
    read_contents,
)
from service.settings import Settings
from storage.catalogue.adopt import adopt_one
from storage.catalogue.document import CatalogueError, Fault
from storage.catalogue.revisions import Besides, CatalogueStore, OutdatedError, Revision
from storage.catalogue.sites import Adoption
from storage.commissioning import Word, commission
from storage.state import StateEngine

ACTIVATION_TIMEOUT_S = 10.0
ACTIVATION_LOOK_S = 0.02
WATCH_INTERVAL_S = 2.0
ATTEMPTS = 5

log = structlog.get_logger(__name__)


class Appender(Protocol):
    """Makes rows durable."""

    async def append(self, records: Sequence[Record]) -> int:
        """Append rows, and return the number of the last."""
        ...


class Inbox(Protocol):
    """The inbox of unregistered names."""

    async def forget_unregistered(self, gateway: str, name: str) -> None:
        """Take a name out."""
        ...


class Judge(Protocol):
    """What judges by the active revision."""

    @property
    def base(self) -> Catalogue:
        """The active revision as it was saved."""
        ...

    def prepare(self, revision: int) -> None:
        """Make ready for a revision; raises ``ValueError`` where it cannot be judged by."""
        ...

    def open_alarms(self) -> list[Alarm]:
        """Return the alarms that have not ended."""
        ...


@dataclass(frozen=True, slots=True)
class _Made:
    """A catalogue to be saved, and what is kept with it."""

    catalogue: Catalogue
    note: str
    besides: Besides = field(default_factory=Besides)


async def _nowhere(_revision: int) -> None:
    """Have nobody else made ready."""


class Catalogues:
    """Makes revisions and has the journal activate them."""

    def __init__(
        self,
        settings: Settings,
        store: CatalogueStore,
        state: StateEngine,
        journal: Appender,
        inbox: Inbox,
        now_ns: Callable[[], int],
        judge: Judge,
        prepare_elsewhere: Callable[[int], Awaitable[None]] = _nowhere,
    ) -> None:
        self._files = list(settings.catalogue)
        self._templates = settings.templates
        self._store = store
        self._kept = Kept.of(state, store)
        self._journal = journal
        self._inbox = inbox
        self._now_ns = now_ns
        self._judge = judge
        self._prepare_elsewhere = prepare_elsewhere
        self._one_at_a_time = asyncio.Lock()
        self._latest = 0
        self._refused = 0  # the newest revision that cannot be judged by
        self._seen: str | None = ""  # the files' digest at the last look
        self._tried: str | None = ""  # the digest whose import has been tried
        self.faults: tuple[Fault, ...] = ()

    @property
    def activated(self) -> bool:
        """Whether the evaluator uses the newest revision that it was told of."""
        return self._judge.base.revision >= self._latest

    def problem(self) -> str:
        """Return what is wrong with the catalogue's ways in, empty where nothing is."""
        if not self.faults:
            return ""
        more = f" (and {len(self.faults) - 1} more faults)" if len(self.faults) > 1 else ""
        return f"{self.faults[0]}{more}; going on with revision {self._judge.base.revision}"

    async def start(self) -> None:
        """Import the configured files where they changed, and activate the newest revision.

        Files that are at fault do not stop a service that has a revision: they are told, and the
        last good one holds. Raises ``CatalogueError`` where there is none.
        """
        await self._import_changed()
        latest = await self._store.latest_revision()
        if latest == 0 and self.faults:
            raise CatalogueError(self.faults)
        if latest and self._judge.base.revision != latest:
            try:
                await self._append(latest)
            except Refused as error:  # a full disk: `watch` tries again
                log.warning("the newest revision waits", revision=latest, error=str(error))

    async def watch(self) -> None:
        """Take what files and other processes bring, for ever."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            try:
                await self.look()
            except (OSError, SQLAlchemyError, Refused) as error:
                log.warning("the catalogue was not looked at", error=str(error))

    async def look(self) -> None:
        """Import files that have changed and stand still, and activate what is newer.

        Contents are taken where two looks find the same: a file that is being written is not.
        """
        async with self._one_at_a_time:
            seen, self._seen = self._seen, await self._digest()
            if self._files and seen == self._seen and self._tried != self._seen:
                await self._import_changed()
            latest = await self._store.latest_revision()
            if latest > max(self._latest, self._judge.base.revision, self._refused):
                await self._append(latest)

    async def _digest(self) -> str | None:
        try:
            contents = await asyncio.to_thread(read_contents, self._files, self._templates)
        except CatalogueError as error:
            return _unreadable(error)
        return contents.digest

    async def _import_changed(self) -> None:
        """Save the files' catalogue where they changed; faults are told and kept."""
        if not self._files:
            return
        try:
            contents = await asyncio.to_thread(read_contents, self._files, self._templates)
        except CatalogueError as error:
            self._seen = self._tried = _unreadable(error)
            self._tell(error.faults)
            return
        self._seen = self._tried = contents.digest
        try:
            revision = await import_changed(
                self._files, contents, self._templates, self._kept, self._now_ns()
            )
        except CatalogueError as error:
            self._tell(error.faults)
            return
        self.faults = ()
        if revision:
            log.info("catalogue imported", revision=revision)

    def _tell(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        for fault in faults:
            log.error("catalogue not imported", fault=str(fault))

    async def adopt(self, gateway: str, name: str, request: AdoptRequest) -> Channel:
        """Make a channel of an unregistered name; see ``api.ports.Adoption``."""
        channel_id = f"{request.facility}/{request.channel}"

        def adopted(base: Catalogue) -> _Made:
            adoption = _adoption(base, gateway, name, request)
            made = adopt_one(base, adoption, self._templates, feature_faults)
            note = f"adopted {gateway} {name} as {channel_id}"
            return _Made(made, note, Besides(adoption=adoption))

        catalogue = await self._make(adopted, request.author)
        await self._inbox.forget_unregistered(gateway, name)
        return catalogue.channel(channel_id)

    async def commission(self, channels: Sequence[str], *, on: bool, author: str) -> int:
        """Put channels into commissioning, or take them out; return the revision."""
        said = {word.channel: word.of_files for word in await self._kept.words.words()}

        def commissioned(base: Catalogue) -> _Made:
            known = [name for name in channels if name in base.channel_index]
            words = [
                Word(name, on, said.get(name, base.channel(name).commissioning)) for name in known
            ]
            made = commission(base, dict.fromkeys(known, on))
            shown = known[0] if len(known) == 1 else f"{len(known)} channels"
            note = f"{shown} {'in' if on else 'out of'} commissioning"
            return _Made(made, note, Besides(words=words))

        return (await self._make(commissioned, author)).revision

    async def submit(self, document: bytes, author: str, note: str) -> int:
        """Make a revision of a site's whole document; raises ``FaultyDocuments``."""
        catalogue = await self._build(document)
        made = await self._make(lambda _: _Made(catalogue, note or "by the interface"), author)
        return made.revision

    async def preview(self, document: bytes) -> Differences:
        """Return what a document would change; raises ``FaultyDocuments``."""
        return await self._compare(self._judge.base, await self._build(document))

    async def activate_again(self, revision: int, author: str) -> int:
        """Make a new revision with the contents of an old one; raises ``KeyError``."""
        catalogue = await self._store.catalogue(revision)
        made = await self._make(lambda _: _Made(catalogue, f"revision {revision} again"), author)
        return made.revision

    async def compare(self, revision: int, against: int | None) -> Differences:
        """Return what goes from revision ``against``, or the active one, to another."""
        after = await self._store.catalogue(revision)
        before = self._judge.base if against is None else await self._store.catalogue(against)
        return await self._compare(before, after)

    async def revisions(self, before: int | None, limit: int) -> list[Revision]:
        """Return revisions below ``before``, newest first."""
        return await self._store.revisions(before, limit)

    async def _compare(self, before: Catalogue, after: Catalogue) -> Differences:
        alarms = self._judge.open_alarms()
        return await asyncio.to_thread(differences, before, after, alarms)

    async def _build(self, document: bytes) -> Catalogue:
        adoptions, words = await self._kept.adoptions.adoptions(), await self._kept.words.words()
        documents = [("document", document)]
        try:
            return await build_beside(documents, self._templates, adoptions, words)
        except CatalogueError as error:
            raise FaultyDocuments(error.faults) from None

    async def _make(self, make: Callable[[Catalogue], _Made], author: str) -> Catalogue:
        """Save what ``make`` makes of the newest revision, and return it once it is active.

        Where another process saves one meanwhile, it is made again of that.
        """
        async with self._one_at_a_time:
            for _ in range(ATTEMPTS):
                newest = await self._store.latest_revision()
                base = await self._store.catalogue(newest) if newest else Catalogue(revision=0)
                try:
                    revision = await self._save(await asyncio.to_thread(make, base), author, newest)
                except OutdatedError:
                    continue
                except CatalogueError as error:
                    raise Refused(422, "; ".join(map(str, error.faults))) from None
                except ValueError as error:
                    raise Refused(422, str(error)) from None
                await self._activate(revision)
                return await self._store.catalogue(revision)
            raise Refused(409, "Others change the catalogue at this moment.", "Try again.")

    async def _save(self, made: _Made, author: str, follows: int) -> int:
        digest = await self._store.digest_of_latest() or ""
        return await self._store.save(
            made.catalogue, author, self._now_ns(), made.note, digest,
            besides=made.besides, follows=follows,
        )  # fmt: skip

    async def _append(self, revision: int) -> bool:
        """Make ready for a revision and have it activated; ``False`` where it is of no use."""
        try:
            await asyncio.to_thread(self._judge.prepare, revision)
        except ValueError as error:
            self._refused = revision
            self._tell((Fault(f"revision {revision}", 1, str(error)),))
            return False
        await self._prepare_elsewhere(revision)
        await append_or_refuse(self._journal, [CatalogueChange(revision, self._now_ns())])
        self._latest = revision
        return True

    async def _activate(self, revision: int) -> None:
        """Return when the evaluator uses the revision, or after a while: the journal has it."""
        if not await self._append(revision):
            raise Refused(422, self.problem())
        try:
            async with asyncio.timeout(ACTIVATION_TIMEOUT_S):
                while self._judge.base.revision < revision:  # noqa: ASYNC110  a rare, human act
                    await asyncio.sleep(ACTIVATION_LOOK_S)
        except TimeoutError:
            log.warning("the revision is in the journal and not yet active", revision=revision)


def _unreadable(error: CatalogueError) -> str:
    """Return what stands for the digest of files that cannot be read: tried once, told once."""
    return f"unreadable: {error}"


def _adoption(base: Catalogue, gateway: str, name: str, request: AdoptRequest) -> Adoption:
    facility = base.facility_by_id.get(request.facility)
    if facility is None:
        raise CatalogueError((Fault("adoption", 1, f"no facility {request.facility}"),))
    return Adoption(
        gateway=gateway,
        district=_district(base, gateway, facility),
        sent_as=name,
        facility=facility.id,
        quantity=request.quantity,
        channel_id=f"{facility.id}/{request.channel}",
        name=request.name,
        sample_interval_s=request.sample_interval_s,
        parameters=request.parameters,
    )


def _district(catalogue: Catalogue, gateway: str, facility: Facility) -> str:
    """Return a gateway's district: its own, or for a new gateway that of its first facility."""
    index = catalogue.gateway_index.get(gateway)
    return facility.district if index is None else catalogue.gateways[index].district
