"""The newest time that a frame tells: what a data clock goes by."""

from domain.journal import Frame
from domain.readings import FLAG_RECEIVED_TIME
from ingest.topics import TopicError, parse_topic
from ingest.wire import DECODERS


def newest_time_ns(frame: Frame) -> int | None:
    """Return the newest event time in a frame; None where its readings carry none of their own."""
    try:
        topic = parse_topic(frame.topic)
    except TopicError:
        return None
    decoder = DECODERS.get(topic.format or "")
    if decoder is None:
        return None
    decoded = decoder(frame.payload, frame.received_ns, None)
    times = [
        time_ns
        for time_ns, flags in zip(decoded.times_ns, decoded.flags, strict=True)
        if not flags & FLAG_RECEIVED_TIME
    ]
    times += [int(block.time_ns[-1]) for block in decoded.blocks if len(block.time_ns)]
    return max(times, default=None)
