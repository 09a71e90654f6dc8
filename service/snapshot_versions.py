"""Snapshots of the evaluator through the versions: each change of their content is a step here.

Whoever changes what ``Evaluator.snapshot`` holds adds one function at the end of ``STEPS``: it takes
a snapshot of the version before and returns one of the next. The version number is the number of
steps, so nobody can change the one and forget the other. Steps stay for ever: any released version's
data directory opens with every later one (``tests/service/upgrade``).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Snapshot = dict[str, Any]
Step = Callable[[Snapshot], Snapshot]


def _with_refusals_and_profiles(snapshot: Snapshot) -> Snapshot:
    """2: gateways may be overloaded, the quarantine's entries of a second are counted; profiles."""
    overload: dict[str, Any] = {"gateways": [], "refused": np.zeros(0, np.int64)}
    overload |= {name: np.zeros(0, np.int64) for name in ("channels", "told", "unsettled")}
    assembler = {**snapshot["assembler"], "listed": {"second": 0, "by_gateway": {}}}
    core = {**snapshot["core"], "overload": overload}
    return {**snapshot, "assembler": assembler, "core": core, "profiles": {}}


STEPS: tuple[Step, ...] = (_with_refusals_and_profiles,)
"""From version 1 to 2, from 2 to 3, …"""

SNAPSHOT_VERSION = 1 + len(STEPS)
"""What this program writes."""


class NewerSnapshotError(Exception):
    """A snapshot that a later version of the program wrote; the message says what to do."""


def migrate(snapshot: Snapshot, steps: tuple[Step, ...] = STEPS) -> Snapshot:
    """Return ``snapshot`` as this version writes it; what is given is left as it is.

    Raises ``NewerSnapshotError`` for one of a later version: going on from an older one instead would
    judge again, by other rules, what that version has judged. Raises ``ValueError`` for what never was
    a version.
    """
    version, newest = snapshot.get("version"), 1 + len(steps)
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"a snapshot of version {version!r}")
    if version > newest:
        raise NewerSnapshotError(
            f"the evaluator's snapshot is of version {version}, written by a later version of "
            f"Lifeline; this one reads up to {newest}. Start that version again, or restore a "
            "backup that was made before the upgrade"
        )
    for number, step in enumerate(steps[version - 1 :], version + 1):
        snapshot = {**step(dict(snapshot)), "version": number}
    return snapshot
