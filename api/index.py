"""Orders of the catalogue that lists are cut from, made once for each revision."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace

from domain.catalogue import Catalogue


@dataclass(frozen=True, slots=True, eq=False)  # one of a revision is none of another's
class CatalogueIndex:
    """Channel ids ascending: all, and by facility; channels by gateway, fault channels apart."""

    catalogue: Catalogue
    channel_ids: list[str]
    by_facility: dict[str, list[str]]
    channels_of_gateway: Counter[str | None]

    def over(self, catalogue: Catalogue) -> "CatalogueIndex":
        """Return the index of another revision; as it is where the same channels stand there."""
        if catalogue.channel_index is self.catalogue.channel_index:
            return replace(self, catalogue=catalogue)
        return CatalogueIndex.build(catalogue)

    @classmethod
    def build(cls, catalogue: Catalogue) -> "CatalogueIndex":
        """Walk over all channels once."""
        by_facility: defaultdict[str, list[str]] = defaultdict(list)
        ids = sorted(catalogue.channel_index)
        for channel_id in ids:
            by_facility[catalogue.channel(channel_id).facility].append(channel_id)
        counts = Counter(one.gateway for one in catalogue.channels if one.fault is None)
        return cls(catalogue, ids, dict(by_facility), counts)
