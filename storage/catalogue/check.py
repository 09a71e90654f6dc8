"""What ``lifeline catalogue check`` says of documents: a summary, or every fault."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.catalogue import Catalogue, Channel
from domain.grade import Grade
from storage.catalogue.build import FeatureFaults, load_catalogue, no_feature_faults
from storage.catalogue.document import CatalogueError
from storage.catalogue.sites import Adoption
from storage.catalogue.templates import Templates


@dataclass(frozen=True, slots=True)
class Report:
    """What to print, and the exit code of the command: 0 good, 1 faulty."""

    text: str
    exit_code: int


def check(
    files: Sequence[Path],
    templates: Path | Templates,
    *,
    adoptions: Iterable[Adoption] = (),
    feature_faults: FeatureFaults = no_feature_faults,
) -> Report:
    """Return what is in the files, or what is wrong with them."""
    try:
        catalogue = load_catalogue(
            files, templates, adoptions=adoptions, feature_faults=feature_faults
        )
    except CatalogueError as error:
        count = len(error.faults)
        noun = "fault" if count == 1 else "faults"
        return Report(f"{error}\n{count} {noun}", 1)
    return Report(summary(catalogue), 0)


def summary(catalogue: Catalogue) -> str:
    """Return a catalogue in a few lines."""
    kinds = Counter(facility.kind for facility in catalogue.facilities)
    measured = [one for one in catalogue.channels if one.fault is None and one.feature is None]
    derived = [one for one in catalogue.channels if one.fault is None and one.feature is not None]
    faults = [one for one in catalogue.channels if one.fault is not None]
    of_kind = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    lines = [
        f"facilities: {len(catalogue.facilities)}" + (f" ({of_kind})" if of_kind else ""),
        f"gateways: {len(catalogue.gateways)}",
        f"channels: {len(measured)} measured, {len(derived)} derived, {len(faults)} of faults",
        f"limits: {_by_grade([*measured, *derived])}",
        f"limits of faults: {_by_grade(faults)}",
    ]
    if catalogue.name.en or catalogue.name.zh:
        lines.insert(0, f"{catalogue.name.zh} / {catalogue.name.en}")
    return "\n".join(lines)


def _by_grade(channels: Iterable[Channel]) -> str:
    counts = Counter(limit.grade for channel in channels for limit in channel.limits)
    return ", ".join(
        f"{grade.word} {counts[grade]}" for grade in reversed(Grade) if grade is not Grade.NORMAL
    )
