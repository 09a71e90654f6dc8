"""Revisions of the catalogue: numbered from 1, and never changed once saved."""

import gc
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Row, Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import Catalogue
from storage import tables
from storage.adoptions import keep_adoption
from storage.catalogue.sites import Adoption
from storage.encoding import clean, from_row
from storage.state import StateEngine

KEPT_IN_MEMORY = 4

_rows = tables.catalogue_revisions
_progress = tables.progress
_decoder = msgspec.json.Decoder(Catalogue)


@dataclass(frozen=True, slots=True)
class Revision:
    """Who saved a revision, when and why. ``digest`` is that of the files it was made from."""

    revision: int
    at_ns: int
    author: str
    note: str
    digest: str


def encode_catalogue(catalogue: Catalogue) -> bytes:
    """Return the catalogue as JSON that reads back equal.

    Raises ``ValueError`` where it would not, since what judges must be what was saved: for a number
    that is not finite, or an attribute that JSON does not have, such as a date.
    """
    try:
        document = msgspec.json.encode(catalogue)
        same = decode_catalogue(document) == catalogue
    except (TypeError, UnicodeEncodeError, msgspec.MsgspecError) as error:
        raise ValueError(f"the catalogue cannot be stored: {error}") from error
    if not same:
        raise ValueError(
            "the catalogue cannot be stored: an attribute or a number of it reads back otherwise"
        )
    return document


def decode_catalogue(document: bytes) -> Catalogue:
    """Return the catalogue that ``encode_catalogue`` made ``document`` of.

    The cycle collector is held off meanwhile: it would go through a million new objects again and
    again, find nothing, and take two thirds of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _decoder.decode(document)
    finally:
        if was_enabled:
            gc.enable()


class CatalogueStore:
    """The catalogue's revisions in the state database; the last few stay in memory."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._recent: OrderedDict[int, Catalogue] = OrderedDict()
        self._recent_lock = threading.Lock()  # the evaluator asks from its own thread

    async def save(
        self,
        catalogue: Catalogue,
        author: str,
        at_ns: int,
        note: str,
        digest: str,
        *,
        adoption: Adoption | None = None,
    ) -> int:
        """Save the catalogue under the next revision number, and return that.

        The number the catalogue carries is replaced. An ``adoption`` that made it is kept in the same
        transaction. Raises ``ValueError`` where it cannot be stored.
        """
        encode_catalogue(catalogue)
        row = {"author": clean(author), "at_ns": at_ns, "note": clean(note), "digest": digest}

        async def insert_both(connection: AsyncConnection) -> Catalogue:
            if adoption is not None:
                await keep_adoption(connection, adoption)
            return await _insert(connection, catalogue, row)

        numbered = await self._engine.write(insert_both)
        self._remember(numbered)
        return numbered.revision

    async def catalogue(self, revision: int) -> Catalogue:
        """Return one revision; raises ``KeyError`` where there is none of this number."""
        recent = self._recall(revision)
        if recent is not None:
            return recent
        return self._decode(revision, await self._engine.fetch(_select(revision)))

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

    async def revisions(self) -> list[Revision]:
        """Return all revisions, newest first, without their catalogues."""
        columns = (_rows.c.revision, _rows.c.at_ns, _rows.c.author, _rows.c.note, _rows.c.digest)
        found = await self._engine.fetch(select(*columns).order_by(_rows.c.revision.desc()))
        return [from_row(row, Revision) for row in found]

    def _decode(self, revision: int, found: Sequence[Row[Any]]) -> Catalogue:
        if not found:
            raise KeyError(f"no catalogue revision {revision}")
        catalogue = decode_catalogue(found[0].document)
        self._remember(catalogue)
        return catalogue

    def _recall(self, revision: int) -> Catalogue | None:
        with self._recent_lock:
            return self._recent.get(revision)

    def _remember(self, catalogue: Catalogue) -> None:
        with self._recent_lock:
            self._recent[catalogue.revision] = catalogue
            self._recent.move_to_end(catalogue.revision)
            while len(self._recent) > KEPT_IN_MEMORY:
                self._recent.popitem(last=False)


def _select(revision: int) -> Select[Any]:
    return select(_rows.c.document).where(_rows.c.revision == revision)


async def _insert(
    connection: AsyncConnection, catalogue: Catalogue, row: dict[str, Any]
) -> Catalogue:
    # Holds other writers off until the number is taken; on SQLite the write lock does already.
    await connection.execute(select(_progress.c.seq).with_for_update())
    newest = await connection.execute(select(func.max(_rows.c.revision)))
    numbered = replace(catalogue, revision=int(newest.scalar_one() or 0) + 1)
    document = msgspec.json.encode(numbered)
    whole = {**row, "revision": numbered.revision, "document": document}
    await connection.execute(insert(_rows), whole)
    return numbered
