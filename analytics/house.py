"""The core's house: all that belongs to one catalogue."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.features.bank import signature
from analytics.layout import Tables
from analytics.overload import Overload
from analytics.plan import Level, input_indices, plan_levels
from analytics.silence import Silence, root_gateways
from analytics.tables import build_tables
from domain.catalogue import Catalogue
from domain.readings import Int64s


@dataclass(slots=True)
class House:
    """All that belongs to one catalogue, exchanged as one: a reader never sees half of it."""

    catalogue: Catalogue
    tables: Tables
    levels: list[Level]
    silence: Silence
    overload: Overload
    gateway: Int64s  # by channel; the number of gateways stands for none
    feeds: npt.NDArray[np.bool_]  # by channel: a feature reads it
    signatures: list[str]  # by channel: what its state means


def build_house(catalogue: Catalogue) -> House:
    """Return a house at rest; raises ``ValueError`` where a feature is not valid."""
    levels = plan_levels(catalogue)
    roots = root_gateways(catalogue)
    feeds = np.zeros(len(catalogue.channels), np.bool_)
    for index, channel in enumerate(catalogue.channels):
        if channel.feature is not None:
            feeds[input_indices(catalogue, index)] = True
    return House(
        catalogue=catalogue,
        tables=build_tables(catalogue),
        levels=levels,
        silence=Silence(catalogue, roots),
        overload=Overload(catalogue),
        gateway=np.where(roots < 0, len(catalogue.gateways), roots),
        feeds=feeds,
        signatures=sign(catalogue),
    )


def sign(catalogue: Catalogue) -> list[str]:
    """Return for each channel a text that stays the same while its state keeps its meaning."""
    texts: dict[object, str] = {}
    signatures = []
    for index, channel in enumerate(catalogue.channels):
        if channel.feature is None:
            text = texts.get(channel.fault)
            if text is None:
                text = texts[channel.fault] = signature(channel, ())
        else:
            inputs = [catalogue.channels[i] for i in input_indices(catalogue, index)]
            text = signature(channel, inputs)
        signatures.append(text)
    return signatures
