"""Which facility is in which limit profile: a part of the evaluator's state, a function of its rows."""

from collections.abc import Mapping
from typing import Any

from domain.alarm import CommandResult
from domain.catalogue import NORMAL_PROFILE, Catalogue
from domain.journal import Command
from domain.profiles import ActiveProfile, ProfileChange, facilities_of

REASON_LENGTH_MAX = 500


class Profiles:
    """The active profiles by facility, with the acts that change them."""

    def __init__(self, active: Mapping[str, ActiveProfile] | None = None) -> None:
        self.active: dict[str, ActiveProfile] = dict(active or {})

    @property
    def in_force(self) -> dict[str, str]:
        """Profile ids by facility id, as ``Catalogue.with_profiles`` takes them."""
        return {facility: one.profile for facility, one in self.active.items()}

    def keep(self, catalogue: Catalogue) -> None:
        """Let go what a new revision does not have: facilities, and profiles."""
        # Assigned whole: another thread may be looking at it.
        self.active = {
            facility: one
            for facility, one in self.active.items()
            if facility in catalogue.facility_by_id and one.profile in catalogue.profile_by_id
        }

    def obey(
        self, seq: int, command: Command, catalogue: Catalogue
    ) -> tuple[ProfileChange | None, CommandResult]:
        """Carry out the verb ``profile``; ``None`` where it is refused."""
        arguments = command.arguments
        profile, scope = arguments.get("profile"), arguments.get("scope")
        until_ns = arguments.get("until_ns")

        def refused(status: int, problem: str) -> tuple[None, CommandResult]:
            return None, CommandResult(command.command_id, status, problem)

        if profile != NORMAL_PROFILE and profile not in catalogue.profile_by_id:
            return refused(404, "no such profile")
        if until_ns is not None and (not isinstance(until_ns, int) or until_ns <= command.now_ns):
            return refused(422, "until must be later than now")
        try:
            facilities = facilities_of(scope if isinstance(scope, dict) else {}, catalogue)
        except ValueError as error:
            return refused(422, str(error))
        except LookupError as error:
            return refused(404, str(error.args[0]))
        change = ProfileChange(
            seq=seq,
            ordinal=0,
            profile=str(profile),
            facilities=tuple(facilities),
            at_ns=command.now_ns,
            author=command.author,
            reason=str(arguments.get("reason") or "")[:REASON_LENGTH_MAX],
            until_ns=None if profile == NORMAL_PROFILE else until_ns,
        )
        self._take(change)
        return change, CommandResult(command.command_id, 200)

    def due(self, seq: int, now_ns: int) -> ProfileChange | None:
        """Return the facilities whose time is up to *normal*; ``None`` where there are none."""
        ended = [
            facility
            for facility, one in self.active.items()
            if one.until_ns is not None and one.until_ns <= now_ns
        ]
        if not ended:
            return None
        facilities = tuple(sorted(ended))
        change = ProfileChange(seq, 0, NORMAL_PROFILE, facilities, now_ns, "", "its time is up")
        self._take(change)
        return change

    def _take(self, change: ProfileChange) -> None:
        active = dict(self.active)
        for facility in change.facilities:
            active.pop(facility, None)
            if change.profile != NORMAL_PROFILE:
                active[facility] = ActiveProfile(
                    change.profile, change.at_ns, change.author, change.reason, change.until_ns
                )
        self.active = active

    def snapshot(self) -> dict[str, list[Any]]:
        """Return the active profiles as plain values."""
        return {
            facility: [one.profile, one.since_ns, one.author, one.reason, one.until_ns]
            for facility, one in self.active.items()
        }

    @classmethod
    def restored(cls, snapshot: Mapping[str, list[Any]]) -> "Profiles":
        """Return what ``snapshot`` said."""
        return cls({facility: ActiveProfile(*plain) for facility, plain in snapshot.items()})


def reason_of(change: ProfileChange) -> str:
    """Return the reason of the transitions that a change of profile causes."""
    return f"profile {change.profile}" + (f": {change.reason}" if change.reason else "")
