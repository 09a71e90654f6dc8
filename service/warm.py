"""Compiles the passes of the judgement ahead of time, for an image or a read-only installation.

A few minutes of the demonstration city go through the judgement as they would through a running
service: whatever a service compiles at its first reading is then compiled and kept on disk.
"""

from dataclasses import dataclass, replace
from itertools import islice

from analytics.features import KINDS
from analytics.features.bank import Bank
from compiled import passes
from domain.catalogue import Catalogue
from domain.journal import CatalogueChange, Frame, Record, Rows, Tick
from domain.time import NS_PER_S
from service import row_text, sending
from service.evaluator import Evaluator
from service.importing import feature_faults
from service.settings import ROOT
from simulators.demo import Demonstration
from storage.catalogue.build import load_catalogue

SITE = ROOT / "config" / "sites" / "demo.yaml"
TEMPLATES = ROOT / "config" / "templates"
MESSAGES = 400  # a few minutes of all ten facilities
LIVE_NS = 1_790_000_000 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Warmed:
    """Names of the passes: found on disk, and compiled now."""

    found: list[str]
    compiled: list[str]


def warm() -> Warmed:
    """Compile and keep whatever a service would compile at its first readings."""
    evaluator = Evaluator(lambda _revision: _city())
    evaluator.step(Rows(1, _records()))
    for kind in KINDS:
        Bank(kind, [])  # compiles itself, whether or not the city has such a feature
    sending.warm_up()
    row_text.warm_up()
    counts = passes()
    return Warmed(
        found=[name for name, (hits, misses) in counts.items() if hits and not misses],
        compiled=[name for name, (_, misses) in counts.items() if misses],
    )


def _city() -> Catalogue:
    return replace(load_catalogue([SITE], TEMPLATES, feature_faults=feature_faults), revision=1)


def _records() -> list[Record]:
    sent = islice(Demonstration(LIVE_NS).live(), MESSAGES)
    frames = [Frame(message.topic, message.payload, message.time_ns) for message in sent]
    tick = Tick(LIVE_NS + 600 * NS_PER_S, NS_PER_S, broker_connected=True)
    return [CatalogueChange(1, LIVE_NS), *frames, tick]
