"""One channel's day by the minute, out of a sealed archive."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from analytics.core import Core
from bench.city import make_catalogue
from domain.catalogue import Catalogue
from domain.readings import Batch, Readings
from domain.time import NS_PER_S
from storage.archive.duck import DuckArchive

DAY_S = 86_400
_FIRST_NS = 1_700_006_400 * NS_PER_S  # a midnight
_STRETCH_S = 3_600
_QUERIES = 30


@dataclass(frozen=True, slots=True)
class History:
    """A day of many channels in the embedded archive: queried, and judged again."""

    readings: int
    files: int
    write_per_s: float
    seal_per_s: float
    query_ms: float
    query_p90_ms: float
    replay_per_s: float  # from Parquet, through the core
    read_per_s: float  # from Parquet alone


def measure_history(channels: int) -> History:
    """Archive one reading a second of each channel for a day, seal it, ask for days of it."""
    catalogue = make_catalogue(channels, 20)
    ids = tuple(c.id for c in catalogue.channels)
    measured = np.array(
        [i for i, c in enumerate(catalogue.channels) if c.sent_as is not None], np.int32
    )[:channels]
    with tempfile.TemporaryDirectory(prefix="lifeline-bench-") as name:
        folder = Path(name)
        archive = DuckArchive.open(folder)
        write_s = seal_s = 0.0
        for seq, start_s in enumerate(range(0, DAY_S, _STRETCH_S), 1):
            readings = _stretch(ids, measured, start_s)
            write_s += _timed(lambda seq=seq, readings=readings: archive.write(seq, [readings]))
            seal_s += _timed(archive.maintain)
        seal_s += _timed(archive.seal_all)
        archive.close()
        query_ms = _query(folder, [ids[i] for i in measured[:: max(1, channels // _QUERIES)]])
        files = sorted((folder / "sealed").glob("*.parquet"))
        count = channels * DAY_S
        return History(
            readings=count,
            files=len(files),
            write_per_s=count / write_s,
            seal_per_s=count / seal_s,
            query_ms=statistics.median(query_ms),
            query_p90_ms=float(np.percentile(query_ms, 90)),
            replay_per_s=count / _replay(files, _warm_core(catalogue)),
            read_per_s=count / _replay(files, None),
        )


def _timed(call: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s


def _stretch(ids: tuple[str, ...], channels: np.ndarray, start_s: int) -> Readings:
    """Return an hour of all channels as they come: every channel, each second."""
    seconds = np.arange(start_s, start_s + _STRETCH_S, dtype=np.int64)
    count = len(seconds) * len(channels)
    noise = np.random.default_rng(start_s).normal(20, 2, count).astype(np.float32)
    return Readings(
        channel_ids=ids,
        channel=np.tile(channels, len(seconds)),
        time_ns=np.repeat(_FIRST_NS + seconds * NS_PER_S, len(channels)),
        value=noise.astype(np.float64),
        quality=np.ones(count, np.uint8),
    )


def _query(folder: Path, ids: list[str]) -> list[float]:
    """Return the milliseconds of each query, of an archive opened anew; the first is left out."""
    archive = DuckArchive.open(folder)
    took_ms = []
    for channel_id in ids:
        began_s = time.perf_counter()
        buckets = archive.read_buckets(
            channel_id, _FIRST_NS, _FIRST_NS + DAY_S * NS_PER_S, 60 * NS_PER_S
        )
        took_ms.append((time.perf_counter() - began_s) * 1e3)
        if len(buckets.start_ns) != DAY_S // 60 or int(buckets.count.sum()) != DAY_S:
            raise RuntimeError(f"a day of {channel_id} has {len(buckets.start_ns)} minutes")
    archive.close()
    return took_ms[1:]


def _replay(files: list[Path], core: Core | None) -> float:
    """Return the processor time, in seconds, of reading sealed files, and judging them again."""
    began_s = time.process_time()
    seq = 0
    for file in files:
        for part in pq.ParquetFile(file).iter_batches(1 << 18, use_threads=False):
            seq += 1
            columns = [part.column(n).to_numpy() for n in ("channel", "time_ns", "value")]
            channel, time_ns, value = columns
            if core is not None:
                core.step(_as_batch(seq, channel, time_ns, value))
    return time.process_time() - began_s


def _as_batch(seq: int, channel: np.ndarray, time_ns: np.ndarray, value: np.ndarray) -> Batch:
    """Return columns of a file as a batch; files number channels from 1."""
    return Batch(
        seq=np.full(len(channel), seq, np.int64),
        channel=channel - np.int32(1),
        time_ns=time_ns.copy(),  # what Arrow lends is read-only, and compiled for once more
        value=value.copy(),
        received_ns=time_ns.copy(),
        flags=np.zeros(len(channel), np.uint8),
    )


def _warm_core(catalogue: Catalogue) -> Core:
    """Return a core at rest; another one has had the pass compiled."""
    one = np.ones(1, np.int32)
    Core(catalogue).step(_as_batch(1, one, one.astype(np.int64), one.astype(np.float64)))
    return Core(catalogue)
