"""Snapshots of older versions, made fit for this one."""

from typing import Any


def migrate(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Return the snapshot as the present version writes it; as it is where it cannot be."""
    if snapshot.get("version") == 1:  # before there were limit profiles
        return {**snapshot, "version": 2, "profiles": {}}
    return snapshot
