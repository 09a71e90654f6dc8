"""What people have put into commissioning, or taken out of it, beside the catalogue's files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import Catalogue, Channel
from storage import tables
from storage.encoding import from_row
from storage.state import StateEngine
from storage.upsert import upsert

_rows = tables.commissioning


@dataclass(frozen=True, slots=True)
class Word:
    """A person's word on a channel. ``of_files`` is what its files said when it was given."""

    channel: str
    commissioning: bool
    of_files: bool


async def keep_words(connection: AsyncConnection, words: Iterable[Word]) -> None:
    """Keep words; one that says what the files say is none, and is forgotten."""
    words = list(words)
    same = [word.channel for word in words if word.commissioning is word.of_files]
    for channel in same:
        await connection.execute(delete(_rows).where(_rows.c.channel == channel))
    rows = [
        {"channel": word.channel, "commissioning": word.commissioning, "of_files": word.of_files}
        for word in words
        if word.channel not in same
    ]
    if rows:
        await upsert(connection, _rows, rows)


class CommissioningStore:
    """People's words in the state database; written with the revisions that they make."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    async def words(self) -> list[Word]:
        """Return all words, by channel."""
        found = await self._engine.fetch(select(_rows).order_by(_rows.c.channel))
        return [from_row(row, Word) for row in found]


def still_said(catalogue: Catalogue, words: Iterable[Word]) -> dict[str, bool]:
    """Return what people's words mean for files that were imported again, by channel.

    A word holds as long as the files say what they said when it was given. Where the files have
    changed their mind since, the files win: somebody has edited that very channel.
    """
    index = catalogue.channel_index
    return {
        word.channel: word.commissioning
        for word in words
        if word.channel in index
        and catalogue.channels[index[word.channel]].commissioning is word.of_files
    }


def commission(catalogue: Catalogue, wanted: Mapping[str, bool]) -> Catalogue:
    """Return the catalogue with these channels in commissioning, or out of it.

    What is derived from a channel is in commissioning where any of its inputs is, and a fault
    channel where the one is that it watches.
    """
    if not wanted:
        return catalogue
    channels = list(catalogue.channels)
    index = catalogue.channel_index
    touched: set[str] = set()
    waiting = [i for i, one in enumerate(channels) if one.id in wanted and one.fault is None]
    for i in waiting:
        _set(channels, i, wanted[channels[i].id])
        touched.add(channels[i].id)
    # Derived ones stand behind their inputs, faults behind what they watch (`arrange`).
    for i, channel in enumerate(channels):
        if channel.fault_of in touched and channel.fault_of is not None:
            _set(channels, i, channels[index[channel.fault_of]].commissioning)
        elif channel.feature is not None and channel.id not in wanted:
            inputs = [index[name] for name in channel.feature.inputs if name in index]
            if touched.isdisjoint(channel.feature.inputs):
                continue
            inherited = any(catalogue.channels[place].commissioning for place in inputs)
            own = channel.commissioning and not inherited
            _set(channels, i, own or any(channels[place].commissioning for place in inputs))
            touched.add(channel.id)
    return replace(catalogue, channels=tuple(channels))


def _set(channels: list[Channel], place: int, commissioning: bool) -> None:
    if channels[place].commissioning is not commissioning:
        channels[place] = replace(channels[place], commissioning=commissioning)
