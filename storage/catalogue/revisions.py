"""Revisions of the catalogue: numbered from 1, and never changed once saved."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import Catalogue
from storage import tables
from storage.adoptions import keep_adoption
from storage.catalogue.packing import decode_catalogue, encode_catalogue
from storage.catalogue.sites import Adoption
from storage.commissioning import Word, keep_words
from storage.encoding import clean, from_row
from storage.state import StateEngine
from storage.upsert import upsert

KEPT_IN_MEMORY = 4

_rows = tables.catalogue_revisions
_progress = tables.progress
_imports = tables.catalogue_imports
_FACTS = ("at_ns", "author", "note", "digest", "channels")


@dataclass(frozen=True, slots=True)
class Revision:
    """Who saved a revision, when and why. ``digest`` is that of the files it was made from."""

    revision: int
    at_ns: int
    author: str
    note: str
    digest: str
    channels: int | None = None


class OutdatedError(Exception):
    """Another revision was saved meanwhile: what was made of the one before must be made again."""


@dataclass(frozen=True, slots=True)
class Besides:
    """What is kept together with a revision, in the same transaction.

    ``files`` names the set of files that was imported, with the revision's digest.
    """

    adoption: Adoption | None = None
    words: Sequence[Word] = ()
    files: str = ""


_NOTHING = Besides()


class CatalogueStore:
    """The catalogue's revisions in the state database; the last few stay in memory."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._recent: OrderedDict[int, Catalogue] = OrderedDict()
        self._recent_lock = threading.Lock()  # the evaluator asks from its own thread

    async def save(
        self,
        catalogue: Catalogue | bytes,
        author: str,
        at_ns: int,
        note: str,
        digest: str,
        *,
        besides: Besides = _NOTHING,
        follows: int | None = None,
        channels: int | None = None,
    ) -> int:
        """Save a catalogue, or what ``encode_catalogue`` made of one; return its new number.

        The number that it carries is of no matter; ``channels`` is how many the bytes hold. Raises ``ValueError`` where it cannot be stored,
        ``OutdatedError`` where it was made of revision ``follows`` and that is not the newest.
        """
        if isinstance(catalogue, Catalogue):
            document = await asyncio.to_thread(encode_catalogue, catalogue)
            count: int | None = len(catalogue.channels)
        else:
            document, count = catalogue, channels
        row = {"author": clean(author), "at_ns": at_ns, "note": clean(note), "digest": digest}
        whole = {**row, "document": document, "channels": count}

        async def insert_all(connection: AsyncConnection) -> int:
            if besides.adoption is not None:
                await keep_adoption(connection, besides.adoption)
            await keep_words(connection, besides.words)
            if besides.files:
                await upsert(connection, _imports, [{"files": besides.files, "digest": digest}])
            return await _insert(connection, whole, follows)

        number = await self._engine.write(insert_all)
        if isinstance(catalogue, Catalogue):
            self._remember(
                await asyncio.to_thread(self._shared, replace(catalogue, revision=number))
            )
        return number

    async def catalogue(self, revision: int) -> Catalogue:
        """Return one revision; raises ``KeyError`` where there is none of this number."""
        recent = self._recall(revision)
        if recent is not None:
            return recent
        found = await self._engine.fetch(_select(revision))
        return await asyncio.to_thread(self._decode, revision, found)

    async def document(self, revision: int) -> bytes:
        """Return one revision as it is stored; raises ``KeyError``. It carries no number."""
        found = await self._engine.fetch(_select(revision))
        if not found:
            raise _unknown(revision)
        return bytes(found[0].document)

    def load(self, revision: int) -> Catalogue:
        """Do as ``catalogue``, for a caller in a thread outside the event loop: it may block."""
        recent = self._recall(revision)
        if recent is not None:
            return recent
        return self._decode(revision, self._engine.read_from_thread(_select(revision)))

    async def latest_revision(self) -> int:
        """Return the newest revision's number; 0 where nothing was ever saved."""
        found = await self._engine.fetch(select(func.max(_rows.c.revision)))
        return int(found[0][0] or 0)

    async def digest_of_latest(self) -> str | None:
        """Return the newest revision's digest: files of the same digest make no new revision."""
        newest = select(_rows.c.digest).order_by(_rows.c.revision.desc()).limit(1)
        found = await self._engine.fetch(newest)
        return str(found[0].digest) if found else None

    async def is_imported(self, files: str, digest: str) -> bool:
        """Return whether a set of files was imported with these contents, and none of it since.

        The same contents under another name count, too: a folder may have moved. A database from
        before sets were kept knows the newest revision's digest only.
        """
        known = await self._engine.fetch(select(_imports))
        if not known:
            return await self.digest_of_latest() == digest
        own = {row.files: row.digest for row in known}
        return own[files] == digest if files in own else digest in own.values()

    async def revisions(self, before: int | None = None, limit: int = 1_000) -> list[Revision]:
        """Return revisions below ``before``, newest first, without their catalogues."""
        columns = [_rows.c[name] for name in ("revision", *_FACTS)]
        wanted = select(*columns).order_by(_rows.c.revision.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(_rows.c.revision < before)
        return [from_row(row, Revision) for row in await self._engine.fetch(wanted)]

    def _decode(self, revision: int, found: Sequence[Row[Any]]) -> Catalogue:
        if not found:
            raise _unknown(revision)
        decoded = replace(decode_catalogue(found[0].document), revision=revision)
        catalogue = self._shared(decoded)
        self._remember(catalogue)
        return catalogue

    def _shared(self, catalogue: Catalogue) -> Catalogue:
        """Return the catalogue made of the channels of the one before, as far as they are equal."""
        with self._recent_lock:
            newest = next(reversed(self._recent.values()), None)
        return catalogue if newest is None else catalogue.sharing(newest)

    def _recall(self, revision: int) -> Catalogue | None:
        with self._recent_lock:
            return self._recent.get(revision)

    def _remember(self, catalogue: Catalogue) -> None:
        with self._recent_lock:
            self._recent[catalogue.revision] = catalogue
            self._recent.move_to_end(catalogue.revision)
            while len(self._recent) > KEPT_IN_MEMORY:
                self._recent.popitem(last=False)


def _unknown(revision: int) -> KeyError:
    return KeyError(f"no catalogue revision {revision}")


def _select(revision: int) -> Select[Any]:
    return select(_rows.c.document).where(_rows.c.revision == revision)


async def _insert(connection: AsyncConnection, row: dict[str, Any], follows: int | None) -> int:
    # Holds other writers off until the number is taken; on SQLite the write lock does already.
    await connection.execute(select(_progress.c.seq).with_for_update())
    newest = int((await connection.execute(select(func.max(_rows.c.revision)))).scalar_one() or 0)
    if follows is not None and newest != follows:
        raise OutdatedError(f"revision {newest} was saved meanwhile")
    await connection.execute(insert(_rows), {**row, "revision": newest + 1})
    return newest + 1
