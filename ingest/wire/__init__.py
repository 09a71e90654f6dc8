"""Payload formats: one file and one line of ``DECODERS`` each.

A decoder is total: whatever the bytes, it returns a ``Decoded`` and never raises.
"""

from ingest.wire import block, json_values, senml
from ingest.wire.decoded import PAYLOAD_BYTES_MAX, Block, Decoded, Decoder, Refusal

DECODERS: dict[str, Decoder] = {
    "json": json_values.decode,
    "block": block.decode,
    "senml": senml.decode,
}
"""Decoders by the last segment of the topic."""

__all__ = ["DECODERS", "PAYLOAD_BYTES_MAX", "Block", "Decoded", "Decoder", "Refusal"]
