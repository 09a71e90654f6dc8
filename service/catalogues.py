"""The catalogue's way in: files imported where they changed, names adopted, revisions activated."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog

from analytics.features import KINDS, validate
from api.ports import AdoptRequest, Refused
from domain.catalogue import Catalogue, Channel, Facility
from domain.journal import CatalogueChange, Record
from service.committing import append_or_refuse
from service.settings import Settings
from storage.adoptions import AdoptionStore
from storage.catalogue.adopt import adopt_one
from storage.catalogue.build import load_catalogue
from storage.catalogue.document import CatalogueError
from storage.catalogue.revisions import CatalogueStore
from storage.catalogue.sites import Adoption
from storage.state import StateEngine

ACTIVATION_TIMEOUT_S = 10.0
ACTIVATION_LOOK_S = 0.02

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


class Catalogues:
    """Makes revisions and has the journal activate them.

    ``active`` returns the catalogue that the evaluator uses now.
    """

    def __init__(
        self,
        settings: Settings,
        store: CatalogueStore,
        adoptions: AdoptionStore,
        journal: Appender,
        inbox: Inbox,
        now_ns: Callable[[], int],
        active: Callable[[], Catalogue],
    ) -> None:
        self._files = list(settings.catalogue)
        self._templates = settings.templates
        self._store = store
        self._adoptions = adoptions
        self._journal = journal
        self._inbox = inbox
        self._now_ns = now_ns
        self._active = active
        self._one_at_a_time = asyncio.Lock()
        self._latest = 0

    @property
    def activated(self) -> bool:
        """Whether the evaluator uses the newest revision that it was told of."""
        return self._active().revision >= self._latest

    async def import_files(self) -> None:
        """Import the configured files where they changed, and activate the newest revision.

        Raises ``CatalogueError``, with nothing changed, where anything in them is wrong.
        """
        adoptions = await self._adoptions.adoptions()
        latest = await save_changed(self._files, self._templates, adoptions, self._store)
        if latest and self._active().revision != latest:
            await self._journal.append([CatalogueChange(latest, self._now_ns())])
        self._latest = latest

    async def adopt(self, gateway: str, name: str, request: AdoptRequest) -> Channel:
        """Make a channel of an unregistered name; see ``api.ports.Adoption``."""
        async with self._one_at_a_time:
            catalogue = self._active()
            facility = catalogue.facility_by_id[request.facility]
            adoption = Adoption(
                gateway=gateway,
                district=_district(catalogue, gateway, facility),
                sent_as=name,
                facility=facility.id,
                quantity=request.quantity,
                channel_id=f"{facility.id}/{request.channel}",
                name=request.name,
                sample_interval_s=request.sample_interval_s,
                parameters=request.parameters,
            )
            try:
                adopted = adopt_one(catalogue, adoption, self._templates, feature_faults)
            except CatalogueError as error:
                raise Refused(422, "; ".join(map(str, error.faults))) from None
            revision = await self._keep(adopted, adoption, request.author)
            await self._activate(revision)
            await self._inbox.forget_unregistered(gateway, name)
        return adopted.channel(adoption.channel_id)

    async def _keep(self, catalogue: Catalogue, adoption: Adoption, author: str) -> int:
        digest = await self._store.digest_of_latest() or ""
        note = f"adopted {adoption.gateway} {adoption.sent_as} as {adoption.channel_id}"
        return await self._store.save(
            catalogue, author, self._now_ns(), note, digest, adoption=adoption
        )

    async def _activate(self, revision: int) -> None:
        """Return when the evaluator uses the revision, or after a while: the journal has it."""
        await append_or_refuse(self._journal, [CatalogueChange(revision, self._now_ns())])
        try:
            async with asyncio.timeout(ACTIVATION_TIMEOUT_S):
                while self._active().revision < revision:  # noqa: ASYNC110  a rare, human act
                    await asyncio.sleep(ACTIVATION_LOOK_S)
        except TimeoutError:
            log.warning("the revision is in the journal and not yet active", revision=revision)


def _district(catalogue: Catalogue, gateway: str, facility: Facility) -> str:
    """Return a gateway's district: its own, or for a new gateway that of its first facility."""
    index = catalogue.gateway_index.get(gateway)
    return facility.district if index is None else catalogue.gateways[index].district


def feature_faults(kind: str, parameters: Mapping[str, Any], inputs: int) -> list[str]:
    """Return what is wrong with a feature, as ``storage.catalogue`` asks."""
    return validate(kind, parameters, inputs) if kind in KINDS else []


async def import_offline(settings: Settings) -> int:
    """Import the configured files into the state database; return the newest revision.

    The service activates it when it starts. Raises ``CatalogueError``.
    """
    state = await StateEngine.open(settings.state_location())
    try:
        store, adoptions = CatalogueStore(state), await AdoptionStore(state).adoptions()
        return await save_changed(settings.catalogue, settings.templates, adoptions, store)
    finally:
        await state.close()


async def save_changed(
    files: Sequence[Path], templates: Path, adoptions: Sequence[Adoption], store: CatalogueStore
) -> int:
    """Save the files' catalogue where they changed, and return the newest revision."""
    if not files:
        return await store.latest_revision()
    digest = digest_of(files, templates)
    if digest is not None and digest == await store.digest_of_latest():
        return await store.latest_revision()
    catalogue = load_catalogue(files, templates, adoptions=adoptions, feature_faults=feature_faults)
    revision = await store.save(catalogue, "files", time.time_ns(), "import", digest or "")
    log.info("catalogue imported", revision=revision, channels=len(catalogue.channels))
    return revision


def digest_of(files: Sequence[Path], templates: Path) -> str | None:
    """Return what tells changed files: their contents and those of the templates.

    ``None`` where one cannot be read; ``load_catalogue`` says what is wrong with it.
    """
    digest = hashlib.sha256()
    for path in [*files, *sorted(templates.glob("*.yaml"))]:
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
