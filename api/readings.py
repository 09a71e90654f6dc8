"""Readings of a channel out of the archive: bounded spans, bounded answers, in a bounded pool."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy.typing as npt
from fastapi import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.answers import json_of
from api.context import Context
from api.errors import bad_request
from api.lists import QueryTime, bad_cursor, decode_cursor, encode_cursor, parse_time
from api.ports import Archive, Buckets, Series
from api.present import quantity_of, time_text
from api.rows import Rows, WriteRows
from domain.catalogue import Catalogue, Channel
from domain.readings import Int64s
from domain.time import NS_PER_S, TIME_NS_MAX

POINTS_MAX = 20_000
HOUR_NS = 3600 * NS_PER_S
_UNITS_NS = {"ms": NS_PER_S // 1000, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": HOUR_NS}
_UNITS_NS["d"] = 24 * HOUR_NS
_BUCKET = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)?", re.ASCII)


def parse_bucket(text: str) -> int:
    """Return the nanoseconds of ``60s``, ``5m``, ``1h``, or of a plain number of seconds.

    >>> parse_bucket("5m")
    300000000000
    """
    match = _BUCKET.fullmatch(text)
    bucket_ns = round(float(match[1]) * _UNITS_NS[match[2] or "s"]) if match else 0
    if not NS_PER_S // 1000 <= bucket_ns <= 366 * _UNITS_NS["d"]:
        raise ValueError("not a bucket from 1ms to 366d — give such as 60s, 5m or 1h, or seconds")
    return bucket_ns


def _check_bucket(text: str) -> str:
    parse_bucket(text)
    return text


class ReadingsQuery(BaseModel):
    """Which readings. ``cursor`` goes on where the part before ended."""

    model_config = ConfigDict(extra="forbid")
    start: QueryTime | None = Field(None, description="Default: an hour before the end.")
    end: QueryTime | None = Field(None, description="Default: now.")
    bucket: Annotated[str, AfterValidator(_check_bucket)] | None = Field(
        None, description="60s, 5m, 1h, or seconds: minimum, maximum, mean and last of each."
    )
    limit: int = Field(5000, ge=1, le=POINTS_MAX, description="How many points at most.")
    cursor: str | None = Field(None, pattern=r"^[\x21-\x7e]{1,64}$")


@dataclass(frozen=True, slots=True)
class Span:
    """What to read: [start, end), raw or by buckets."""

    channel: str
    start_ns: int
    end_ns: int
    bucket_ns: int | None
    limit: int


def resolve(channel_id: str, query: ReadingsQuery, now_ns: int) -> Span:
    """Return the span that ``query`` means; raises a problem where it is empty or too large."""
    last_ns = parse_time(query.end) if query.end else now_ns
    end_ns = last_ns if query.end else min(now_ns + 1, TIME_NS_MAX)  # the newest belongs to it
    start_ns = parse_time(query.start) if query.start else max(last_ns - HOUR_NS, 0)
    if start_ns >= end_ns:
        raise bad_request("query.start", "start is not before end", "give start < end")
    bucket_ns = parse_bucket(query.bucket) if query.bucket else None
    if query.cursor:
        start_ns = _resume(query.cursor, start_ns, end_ns)
    if bucket_ns is not None and (end_ns - start_ns) / bucket_ns > POINTS_MAX:
        needed_s = (end_ns - start_ns) / POINTS_MAX / NS_PER_S
        raise bad_request(
            "query.bucket",
            f"the span has more than {POINTS_MAX} buckets",
            f"give a bucket of at least {needed_s:.3f}s, or a shorter span",
        )
    return Span(channel_id, start_ns, end_ns, bucket_ns, query.limit)


def _resume(cursor: str, start_ns: int, end_ns: int) -> int:
    text = decode_cursor(cursor)
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise bad_cursor()
    if not start_ns <= int(text) < end_ns:
        raise bad_request("query.cursor", "the cursor is of another span", "keep start and end")
    return int(text)


def raw_rows(series: Series, limit: int) -> tuple[Rows, int | None]:
    """Return up to ``limit`` readings, and the time of the first that is left over."""
    figures: dict[str, npt.NDArray[Any]] = {"value": series.value, "quality": series.quality}
    return _first("time", series.time_ns, figures, limit)


def bucket_rows(buckets: Buckets, limit: int) -> tuple[Rows, int | None]:
    """Return up to ``limit`` buckets, and the start of the first that is left over."""
    figures = {
        "count": buckets.count,
        "min": buckets.min,
        "max": buckets.max,
        "mean": buckets.mean,
        "last": buckets.last,
    }
    return _first("start", buckets.start_ns, figures, limit)


def _first(
    time_name: str, time_ns: Int64s, figures: dict[str, npt.NDArray[Any]], limit: int
) -> tuple[Rows, int | None]:
    first = {name: figure[:limit] for name, figure in figures.items()}
    following_ns = int(time_ns[limit]) if len(time_ns) > limit else None
    return Rows(time_name, time_ns[:limit], first), following_ns


def answer(archive: Archive, span: Span, head: dict[str, Any], write_rows: WriteRows) -> bytes:
    """Return the finished document; reading and writing both take place in the pool."""
    if span.bucket_ns is None:
        series = archive.read(span.channel, span.start_ns, span.end_ns, span.limit + 1)
        rows, following_ns = raw_rows(series, span.limit)
    else:
        buckets = archive.read_buckets(span.channel, span.start_ns, span.end_ns, span.bucket_ns)
        rows, following_ns = bucket_rows(buckets, span.limit)
    cursor = None if following_ns is None else encode_cursor(str(following_ns))
    return msgspec.json.encode({**head, "items": msgspec.Raw(write_rows(rows)), "next": cursor})


async def read(
    here: Context, channel: Channel, catalogue: Catalogue, query: ReadingsQuery
) -> Response:
    """Return the readings that ``query`` asks for."""
    span = resolve(channel.id, query, here.ports.live.now_ns())
    quantity = quantity_of(channel, catalogue)
    symbol = quantity and {"zh": quantity.symbol.zh, "en": quantity.symbol.en}
    head = {
        "channel": channel.id,
        "unit": quantity.unit if quantity else None,
        "symbol": symbol,
        "start": time_text(span.start_ns),
        "end": time_text(span.end_ns),
        "bucket_s": None if span.bucket_ns is None else span.bucket_ns / NS_PER_S,
    }
    ports = here.ports
    body = await here.archive_pool.run(lambda: answer(ports.archive, span, head, ports.write_rows))
    return json_of(body)
