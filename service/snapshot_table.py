"""Snapshots in the state database, where the instance that stands by reads them, too."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import structlog
from sqlalchemy import Row, Select, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.snapshots import KEPT_MIN, decode, encode
from storage import tables
from storage.state import StateEngine

PART_BYTES = 1 << 20
KEPT_MAX = 6  # of those that a consumer has not passed yet
PATIENCE_S = 10.0

log = structlog.get_logger(__name__)
_rows = tables.snapshots


class SnapshotTable:
    """``service.snapshots.Snapshots`` in the state database; called outside of its event loop."""

    def __init__(self, state: StateEngine) -> None:
        self._patient = state
        self._state = state.hurried(PATIENCE_S)

    def oldest(self) -> int:
        """Return the row of the oldest snapshot; 0 where there is none."""
        return next(iter(self._seqs()), 0)

    def write(self, snapshot: dict[str, Any]) -> None:
        """Write a snapshot durably under its ``seq``, in place of one that is there."""
        seq, data = int(snapshot["seq"]), encode(snapshot)
        parts = [
            {"seq": seq, "part": number, "body": data[at : at + PART_BYTES]}
            for number, at in enumerate(range(0, len(data), PART_BYTES))
        ]

        async def replace(connection: AsyncConnection) -> None:
            await connection.execute(delete(_rows).where(_rows.c.seq == seq))
            for part in parts:
                await connection.execute(insert(_rows), part)

        self._state.do_from_thread(replace, writes=True)

    def _seqs(self) -> list[int]:
        found = self._ask(select(_rows.c.seq).distinct().order_by(_rows.c.seq))
        return [row.seq for row in found]

    def _ask(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        return self._patient.read_from_thread(statement)

    def newest(self, seq_max: int) -> Iterator[dict[str, Any]]:
        """Yield the readable snapshots at or before row ``seq_max``, the newest first."""
        for seq in reversed(self._seqs()):
            if seq > seq_max:
                continue
            parts = self._ask(select(_rows.c.body).where(_rows.c.seq == seq).order_by(_rows.c.part))
            try:
                yield decode(b"".join(part.body for part in parts))
            except (ValueError, msgspec.DecodeError) as error:
                log.error("snapshot unreadable, taking the one before", seq=seq, error=str(error))

    def retire(self, seq_needed: int) -> int:
        """Remove snapshots no longer needed, and return the oldest row still to be kept for.

        As ``SnapshotFolder.retire``; and of those after ``seq_needed`` the oldest and the newest few
        stay, so that a consumer that is away for days does not fill the database.
        """
        seqs = self._seqs()
        usable = [seq for seq in seqs if seq <= seq_needed]
        later = [seq for seq in seqs if seq > seq_needed]
        gone = usable[:-KEPT_MIN] + later[1 : 1 - KEPT_MAX]
        if gone:
            statement = delete(_rows).where(_rows.c.seq.in_(gone))
            self._state.do_from_thread(
                lambda connection: connection.execute(statement), writes=True
            )
        return usable[-KEPT_MIN] if len(usable) >= KEPT_MIN else 0
