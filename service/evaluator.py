"""The deterministic function from journal rows to everything that follows.

Live, restart, replay, catch-up of the archive and tests all run this one; it reads no clock and
does no I/O but for looking up immutable catalogue revisions.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from alerting.book import Book, Outcome
from analytics.core import Core
from analytics.passage import Prepared
from domain.accounting import Account, Accounts, Fate, Reject, Sighting, Unit
from domain.alarm import Alarm, CommandResult, Notice, Transition
from domain.catalogue import Catalogue
from domain.journal import CatalogueChange, Command, Frame, Record, Refusal, Rows, Tick
from domain.profiles import ActiveProfile, ProfileChange
from domain.readings import Batch, Int64s, Judged, Latest, Readings, UInt8s
from ingest.assemble import Assembler
from service.profiles import Profiles, reason_of
from service.snapshot_versions import SNAPSHOT_VERSION, migrate


@dataclass(slots=True)
class GatewayState:
    """What is known of a gateway: its own word, and when a frame last came from it."""

    online: bool | None = None
    since_ns: int = 0
    heard_ns: int = 0


@dataclass(slots=True)
class Step:
    """What a run of journal rows means. Steps join with ``extend``, in order."""

    last_seq: int
    transitions: list[Transition] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    readings: list[Readings] = field(default_factory=list)
    accounts: Accounts = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    results: list[CommandResult] = field(default_factory=list)
    profiles: list[ProfileChange] = field(default_factory=list)

    @property
    def urgent(self) -> bool:
        """True where somebody is waiting for this step to be committed."""
        return bool(self.transitions or self.notices or self.results or self.profiles)

    @property
    def row_count(self) -> int:
        """How many readings the step has for the archive."""
        return sum(map(len, self.readings))

    def extend(self, later: "Step") -> None:
        """Add the step that follows this one."""
        self.last_seq = later.last_seq
        self.transitions += later.transitions
        self.notices += later.notices
        self.readings += later.readings
        self.accounts.update(later.accounts)
        self.rejects += later.rejects
        self.sightings += later.sightings
        self.results += later.results
        self.profiles += later.profiles


class Evaluator:
    """Assembles, judges and keeps the book of alarms, row by row.

    ``load_catalogue`` returns the catalogue of a revision number. A new evaluator knows an empty
    catalogue, until a row says which revision is active.

    ``base`` is the active revision as it was saved, ``catalogue`` the same with the limits of the
    active profiles in force.
    """

    def __init__(self, load_catalogue: Callable[[int], Catalogue]) -> None:
        self._load_catalogue = load_catalogue
        self._seq = 0
        self.whole = True  # False once an error broke a step off: the state is then of no row
        self._prepared: dict[int, Prepared] = {}
        self._profiles = Profiles()
        self._use(Catalogue(revision=0))
        self._gateways: dict[str, GatewayState] = {}

    def _use(self, base: Catalogue) -> None:
        self.base = base
        self.catalogue = catalogue = base.with_profiles(self._profiles.in_force)
        self._assembler = Assembler(catalogue)
        self._core = Core(catalogue)
        self._book = Book(catalogue)

    @property
    def seq(self) -> int:
        """The number of the last row evaluated."""
        return self._seq

    @property
    def gateways(self) -> dict[str, GatewayState]:
        """The gateways' states by id."""
        return self._gateways

    @property
    def profiles(self) -> dict[str, ActiveProfile]:
        """The active profiles by facility id; one that is in none is left out."""
        return self._profiles.active

    def prepare(self, revision: int) -> None:
        """Load a revision and build what its activation needs, in the caller's own thread.

        When it becomes active is said by its row alone: what was prepared makes that row quicker,
        and one that was prepared for another state of affairs is not used. Raises ``KeyError``
        where there is no such revision, ``ValueError`` where the core cannot take it.
        """
        base = self._load_catalogue(revision)
        kept = Profiles(self._profiles.active)
        kept.keep(base)
        prepared = self._core.prepare(base.with_profiles(kept.in_force))
        self._prepared = {} if prepared is None else {revision: prepared}

    def latest(self, channel_ids: Sequence[str] | None = None) -> dict[str, Latest]:
        """Return the live picture of channels; may be called from another thread."""
        return self._core.latest(channel_ids)

    def newest(self) -> tuple[Catalogue, Int64s, UInt8s]:
        """Return the catalogue with all channels' newest times and grades; from any thread."""
        return self._core.newest()

    def open_alarms(self) -> list[Alarm]:
        """Return the alarms that have not ended."""
        return self._book.open_alarms()

    def step(self, rows: Rows) -> Step:
        """Evaluate a run of rows; any grouping of the same rows gives the same result."""
        step = Step(last_seq=rows.last_seq)
        seq = rows.first_seq
        self.whole = False
        for is_frames, run in groupby(rows.records, key=lambda record: isinstance(record, Frame)):
            records = list(run)
            if is_frames:
                self._frames(step, seq, records)  # type: ignore[arg-type]  # groupby sorted them
            else:
                for offset, record in enumerate(records):
                    self._other(step, seq + offset, record)
            seq += len(records)
        self._seq = rows.last_seq
        self.whole = True
        return step

    def _frames(self, step: Step, first_seq: int, frames: list[Frame]) -> None:
        batch, ingested = self._assembler.step(first_seq, frames)
        self._note_gateways(batch, frames[-1].received_ns)
        judged = self._core.step(batch)
        self._take(step, judged)
        step.accounts.update(ingested.accounts)
        step.rejects += ingested.rejects
        step.sightings += ingested.sightings

    def _other(self, step: Step, seq: int, record: Record) -> None:
        if isinstance(record, Tick):
            judged = self._core.tick(seq, record)
            if judged.changes:
                self._add(step, self._book.apply(judged.changes))
            self._add(step, self._book.tick(seq, record, self._core.newest_ns))
            self._change_profile(step, self._profiles.due(seq, record.now_ns))
        elif isinstance(record, Command) and record.verb == "profile":
            self._obey_profile(step, seq, record)
        elif isinstance(record, Command):
            outcome, result = self._book.command(seq, record)
            self._add(step, outcome)
            step.results.append(result)
        elif isinstance(record, CatalogueChange):
            self._change_catalogue(step, seq, record)
        elif isinstance(record, Refusal):
            self._refuse(step, record)

    def _refuse(self, step: Step, refusal: Refusal) -> None:
        """Count frames that were refused before the journal; their gateway lives, and too much."""
        gateway = self._assembler.counted_as(refusal.gateway)
        for account in (
            Account(gateway, Unit.FRAMES, Fate.RECEIVED),
            Account(gateway, Unit.FRAMES, Fate.REFUSED, refusal.reason),
        ):
            step.accounts[account] += refusal.frames
        index = self.catalogue.gateway_index.get(gateway)
        if index is not None:
            self._core.refuse(index, refusal.frames)
            self._gateways.setdefault(gateway, GatewayState()).heard_ns = refusal.now_ns

    def _obey_profile(self, step: Step, seq: int, command: Command) -> None:
        result = self._book.handled(command.command_id)
        if result is None:
            change, result = self._profiles.obey(seq, command, self.base)
            self._book.handle(result)
            self._change_profile(step, change)
        step.results.append(result)

    def _change_profile(self, step: Step, change: ProfileChange | None) -> None:
        if change is not None:
            step.profiles.append(change)
            self._go_over(step, change.seq, self.base, change.at_ns, reason_of(change))

    def _change_catalogue(self, step: Step, seq: int, change: CatalogueChange) -> None:
        base = self._load_catalogue(change.revision)
        self._profiles.keep(base)
        self._go_over(step, seq, base, change.now_ns, "")
        self._prepared = {}

    def _go_over(self, step: Step, seq: int, base: Catalogue, now_ns: int, reason: str) -> None:
        """Judge by ``base`` with the active profiles from here on; ``reason`` is that of a profile."""
        catalogue = base.with_profiles(self._profiles.in_force)
        prepared = self._prepared.get(base.revision)
        changes = self._core.change_catalogue(seq, catalogue, now_ns, prepared)
        self._assembler.change_catalogue(catalogue)
        self._add(step, self._book.change_catalogue(seq, catalogue, now_ns, reason))
        self._add(step, self._book.apply(changes, reason))
        self.base, self.catalogue = base, catalogue

    def _take(self, step: Step, judged: Judged) -> None:
        self._add(step, self._book.apply(judged.changes))
        if len(judged.readings):
            step.readings.append(judged.readings)
        for fate, counts in ((Fate.STORED, judged.stored), (Fate.LATE, judged.late)):
            self._count(step.accounts, fate, counts)

    def _count(self, accounts: Accounts, fate: Fate, counts: Int64s) -> None:
        for index in np.flatnonzero(counts):
            gateway = self.catalogue.gateways[index].id
            accounts[Account(gateway, Unit.READINGS, fate)] += int(counts[index])

    @staticmethod
    def _add(step: Step, outcome: Outcome) -> None:
        step.transitions += outcome.transitions
        step.notices += outcome.notices

    def _note_gateways(self, batch: Batch, received_ns: int) -> None:
        for index in batch.heard:
            gateway = self.catalogue.gateways[index].id
            self._gateways.setdefault(gateway, GatewayState()).heard_ns = received_ns
        for index, online in batch.status:
            state = self._gateways.setdefault(self.catalogue.gateways[index].id, GatewayState())
            if state.online is not online:
                state.online, state.since_ns = online, received_ns

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state after row ``seq``: plain values and arrays."""
        return {
            "version": SNAPSHOT_VERSION,
            "seq": self._seq,
            "revision": self.catalogue.revision,
            "assembler": self._assembler.snapshot(),
            "core": self._core.snapshot(),
            "book": self._book.snapshot(),
            "profiles": self._profiles.snapshot(),
            "gateways": {
                gateway: [state.online, state.since_ns, state.heard_ns]
                for gateway, state in self._gateways.items()
            },
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take a snapshot back, of this version or an earlier one.

        Raises ``ValueError`` where it is none, ``NewerSnapshotError`` where it is of a later one.
        """
        snapshot = migrate(snapshot)
        revision = int(snapshot["revision"])
        self._profiles = Profiles.restored(snapshot["profiles"])
        self._use(self._load_catalogue(revision) if revision else Catalogue(revision=0))
        self._assembler.restore(snapshot["assembler"])
        self._core.restore(snapshot["core"])
        self._book.restore(snapshot["book"])
        self._gateways = {
            gateway: GatewayState(*state) for gateway, state in snapshot["gateways"].items()
        }
        self._seq = int(snapshot["seq"])
