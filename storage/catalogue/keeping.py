"""How long readings are kept, as written: ``retention`` of a quantity, a feature or a channel."""

from typing import Any

from domain.catalogue import Retention, Summary
from storage.catalogue.document import Branch
from storage.catalogue.section import Section

FOREVER = "forever"
DAY_S = 86_400
_OFF = (False, "off", "no")


def read_retention(section: Section, key: str = "retention") -> Retention | None:
    """Return the retention under ``key``; ``None`` where it does not stand, or makes no sense."""
    if not section.has(key):
        return None
    what = f"`{key}` of {section.what}"
    inner = Section(section.mapping(key), section.faults, what, ("raw_days", "summary"))
    raw_days = _days(inner, "raw_days")
    if inner.branch.get("summary") in _OFF:
        return Retention(raw_days, None)
    summary = _summary(inner) if inner.has("summary") else Summary()
    if summary.days is not None and (raw_days is None or summary.days < raw_days):
        inner.fault(
            "summary",
            f"the summary of {section.what} would go before the readings it stands in for",
            f"give its `days` at least raw_days, or `{FOREVER}`",
        )
    return Retention(raw_days, summary)


def _summary(section: Section) -> Summary:
    branch: Branch = section.mapping("summary")
    inner = Section(branch, section.faults, f"`summary` of {section.what}", ("bucket_s", "days"))
    bucket_s = inner.whole("bucket_s", Summary().bucket_s, 1, DAY_S)
    if DAY_S % bucket_s:
        inner.fault("bucket_s", f"a day is no multiple of {bucket_s} s", "such as 60, 600 or 3600")
    return Summary(bucket_s, _days(inner, "days"))


def _days(section: Section, key: str) -> float | None:
    """Return a number of days, ``None`` for ever."""
    value: Any = section.branch.get(key)
    return None if value == FOREVER else section.positive(key)
