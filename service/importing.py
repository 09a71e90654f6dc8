"""Catalogue files to a revision: read once, built beside the event loop, a city in another process."""

import asyncio
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from analytics.features import KINDS, validate
from domain.catalogue import Catalogue
from service.settings import Settings
from storage.adoptions import AdoptionStore
from storage.catalogue.build import build_catalogue
from storage.catalogue.document import CatalogueError, Fault
from storage.catalogue.packing import decode_catalogue, encode_catalogue
from storage.catalogue.revisions import Besides, CatalogueStore, OutdatedError
from storage.catalogue.sites import Adoption
from storage.commissioning import CommissioningStore, Word, commission, still_said
from storage.state import StateEngine

IN_THREAD_BYTES_MAX = 256 * 1024  # a larger site takes seconds, and a thread would share them

Documents = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Contents:
    """What files and templates hold at one moment; ``digest`` tells other contents."""

    documents: Documents
    digest: str


def feature_faults(kind: str, parameters: Mapping[str, Any], inputs: int) -> list[str]:
    """Return what is wrong with a feature, as ``storage.catalogue`` asks."""
    return validate(kind, parameters, inputs) if kind in KINDS else []


def read_contents(files: Sequence[Path], templates: Path) -> Contents:
    """Return what the files hold; raises ``CatalogueError`` naming those that cannot be read."""
    digest = hashlib.sha256()
    documents: Documents = []
    faults = []
    for path in [*files, *sorted(templates.glob("*.yaml"))]:
        try:
            content = path.read_bytes()
        except OSError as error:
            faults.append(Fault(str(path), 1, f"cannot be read: {error.strerror or error}"))
            continue
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
        documents.append((str(path), content))
    if faults:
        raise CatalogueError(tuple(faults))
    return Contents(documents[: len(files)], digest.hexdigest())


def digest_of(files: Sequence[Path], templates: Path) -> str | None:
    """Return what tells changed files and templates; ``None`` where one cannot be read."""
    try:
        return read_contents(files, templates).digest
    except CatalogueError:
        return None


def name_of_set(files: Iterable[Path]) -> str:
    """Return the name of a set of files, under which its last import is remembered."""
    return "\n".join(str(path.resolve()) for path in files)


def build(
    documents: Documents, templates: Path, adoptions: Sequence[Adoption], words: Sequence[Word]
) -> Catalogue:
    """Return the catalogue of documents, with what people have adopted and commissioned since.

    Raises ``CatalogueError`` with all faults.
    """
    catalogue = build_catalogue(
        documents, templates, adoptions=adoptions, feature_faults=feature_faults
    )
    return commission(catalogue, still_said(catalogue, words))


def build_packed(
    documents: Documents, templates: Path, adoptions: Sequence[Adoption], words: Sequence[Word]
) -> bytes:
    """Do as ``build``, and return the catalogue as it is stored; raises ``CatalogueError``."""
    try:
        return encode_catalogue(build(documents, templates, adoptions, words))
    except ValueError as error:
        raise CatalogueError((Fault(documents[0][0], 1, str(error)),)) from None


async def build_beside(
    documents: Documents, templates: Path, adoptions: Sequence[Adoption], words: Sequence[Word]
) -> Catalogue:
    """Do as ``build`` without holding up the event loop, whatever the size."""
    parts = (documents, templates, list(adoptions), list(words))
    if sum(len(content) for _, content in documents) <= IN_THREAD_BYTES_MAX:
        return await asyncio.to_thread(build, *parts)
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        packed = await loop.run_in_executor(pool, build_packed, *parts)
    return await asyncio.to_thread(decode_catalogue, packed)


@dataclass(frozen=True, slots=True)
class Kept:
    """What an import needs of the state database."""

    store: CatalogueStore
    adoptions: AdoptionStore
    words: CommissioningStore

    @classmethod
    def of(cls, state: StateEngine, store: CatalogueStore | None = None) -> "Kept":
        """Return it for an open database."""
        return cls(store or CatalogueStore(state), AdoptionStore(state), CommissioningStore(state))


async def import_changed(
    files: Sequence[Path], contents: Contents, templates: Path, kept: Kept, at_ns: int
) -> int:
    """Save a revision of files whose contents are not those of their last import; 0 where they are.

    Raises ``CatalogueError``, with nothing changed, where anything in them is wrong.
    """
    name = name_of_set(files)
    while not await kept.store.is_imported(name, contents.digest):
        newest = await kept.store.latest_revision()
        adoptions, words = await kept.adoptions.adoptions(), await kept.words.words()
        catalogue = await build_beside(contents.documents, templates, adoptions, words)
        try:
            return await kept.store.save(
                catalogue, "files", at_ns, "import", contents.digest,
                besides=Besides(files=name), follows=newest,
            )  # fmt: skip
        except OutdatedError:
            continue
        except ValueError as error:
            raise CatalogueError((Fault(str(files[0]), 1, str(error)),)) from None
    return 0


async def import_offline(settings: Settings) -> int:
    """Import the configured files into the state database; return the newest revision.

    A service that runs on it takes the revision within seconds, another one when it starts.
    Raises ``CatalogueError``.
    """
    state = await StateEngine.open(settings.state_location())
    try:
        contents = read_contents(settings.catalogue, settings.templates)
        kept = Kept.of(state)
        files = settings.catalogue
        await import_changed(files, contents, settings.templates, kept, time.time_ns())
        return await kept.store.latest_revision()
    finally:
        await state.close()
