"""The interface's own settings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Bounds of the interface; the service fills in what its own settings say.

    ``open_reads``: reads need no key (right on loopback only). The archive answers with
    ``archive_threads`` at a time; ``archive_waiting_max`` more may wait, others are told to come
    back. A pushed frame has at most ``frame_bytes_max``, and ``frames_reading_max`` of them may be
    read at once. A listener that does not take an event within ``send_timeout_s`` is cut off.
    """

    open_reads: bool = True
    body_bytes_max: int = 64 * 1024
    document_bytes_max: int = 16 * 1024 * 1024
    body_timeout_s: float = 10.0
    frame_bytes_max: int = 1 << 20
    frames_reading_max: int = 64
    archive_threads: int = 2
    archive_waiting_max: int = 16
    archive_timeout_s: float = 20.0
    command_timeout_s: float = 10.0
    listeners_max: int = 2_000
    heartbeat_s: float = 15.0
    latest_s: float = 1.0
    send_timeout_s: float = 20.0
    stream_ring: int = 4096
