"""Lifeline's metrics about itself, collected when asked; never a label per sensor."""

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.grade import Grade
from service.archiving import Archiver
from service.catalogues import Catalogues
from service.committing import Committer
from service.evaluator import Evaluator
from storage.journal import Journal, JournalStats


class ServiceCollector(Collector):
    """Reads the parts of the running service."""

    def __init__(
        self,
        journal: Journal,
        evaluator: Evaluator,
        committer: Committer,
        archiver: Archiver,
        catalogues: Catalogues,
    ) -> None:
        self._journal = journal
        self._evaluator = evaluator
        self._committer = committer
        self._archiver = archiver
        self._catalogues = catalogues

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of this moment."""
        yield from self._journal_metrics()
        yield from self._archive_metrics()
        yield from self._catalogue_metrics()
        yield self._ingest()
        yield self._alarms()

    def _journal_metrics(self) -> Iterable[Metric]:
        stats = self._journal.stats()
        yield _gauge("journal_bytes", "Size of the journal.", stats.bytes)
        yield _gauge("journal_segments", "Segment files of the journal.", stats.segments)
        yield _gauge("journal_last_row", "Number of the newest row.", stats.last_seq)
        yield _gauge("journal_first_row", "Number of the oldest row kept.", stats.first_seq)
        yield _gauge("journal_oldest_seconds", "Age of its oldest file.", stats.oldest_age_s)
        yield _lags(stats)
        yield _gauge("judged_row", "Number of the last row judged.", self._evaluator.seq)

    def _archive_metrics(self) -> Iterable[Metric]:
        yield _gauge("archived_row", "Number of the last row archived.", self._archiver.cursor)
        waiting = self._archiver.queued_rows
        yield _gauge("archive_queued_readings", "Readings waiting for the archive.", waiting)
        archiver = self._archiver
        yield _gauge("archive_behind", "1 while catching up.", float(archiver.behind))
        away = archiver.away_since_s is not None
        yield _gauge("archive_away", "1 while the archive does not take anything.", float(away))
        yield _gauge("archive_lag_rows", "Journal rows that are not archived.", archiver.lag_rows)
        yield _gauge("archive_lag_s", "Age of the oldest reading on its way.", archiver.lag_s)
        yield _counter("archive_writes", "Writes that the archive took.", archiver.writes)
        yield _counter("archive_errors", "Writes that failed.", archiver.errors)
        yield _counter("archive_refused", "Readings refused for good.", archiver.refused)
        yield _counter("archive_overflows", "Times that the queue was let go.", archiver.overflows)

    def _catalogue_metrics(self) -> Iterable[Metric]:
        revision, faults = self._evaluator.base.revision, len(self._catalogues.faults)
        yield _gauge("catalogue_revision", "The active revision of the catalogue.", revision)
        yield _gauge("catalogue_faults", "Faults of files that were not imported.", faults)
        in_profiles = len(self._evaluator.profiles)
        yield _gauge("facilities_in_profiles", "Facilities in a limit profile.", in_profiles)

    def _ingest(self) -> Metric:
        totals: dict[tuple[str, str, str], int] = {}
        for account, count in Counter(self._committer.ledger).items():
            key = (str(account.unit), str(account.fate), str(account.reason))
            totals[key] = totals.get(key, 0) + count
        family = CounterMetricFamily(
            "lifeline_ingested", "Frames and readings by fate.", labels=["unit", "fate", "reason"]
        )
        for labels, count in sorted(totals.items()):
            family.add_metric(labels, count)
        return family

    def _alarms(self) -> Metric:
        family = GaugeMetricFamily(
            "lifeline_open_alarms", "Open alarms by grade.", labels=["grade", "instrument"]
        )
        counts: dict[tuple[Grade, bool], int] = {}
        for alarm in self._evaluator.open_alarms():
            key = (alarm.grade, alarm.instrument)
            counts[key] = counts.get(key, 0) + 1
        for grade in Grade:
            for instrument in (False, True):
                labels = [grade.word, str(instrument).lower()]
                family.add_metric(labels, counts.get((grade, instrument), 0))
        return family


def _lags(stats: JournalStats) -> Metric:
    family = GaugeMetricFamily(
        "lifeline_journal_consumer_lag_rows",
        "Rows that a consumer still needs; they are kept for it.",
        labels=["consumer"],
    )
    for consumer, seq in sorted(stats.cursors.items()):
        family.add_metric([consumer], stats.last_seq - seq)
    return family


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(f"lifeline_{name}", meaning, value=value)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"lifeline_{name}", meaning, value=value)
