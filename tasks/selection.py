"""Selection: which of the listed files a run is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from catalog.values import Listing
from tasks.storage.filters import Filter


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What `--include` and `--exclude` chose, by the names that this run's sources gave.

    The same file has another name in another source, so a choice cannot be repeated from what the
    catalog remembers; only what was chosen while listing is looked at and bought.
    """

    names: Filter
    _chosen: set[str] = field(default_factory=set)

    def _choose(self, listing: Listing) -> bool:
        """Say whether a listed file is meant, and remember it."""
        if not self.names.accepts(listing.name):
            return False
        self._chosen.add(listing.uri)
        return True

    def divide(self, listings: Sequence[Listing]) -> tuple[Sequence[Listing], Sequence[Listing]]:
        """Part listed files into those that are meant, and remember them, and the others."""
        if self.is_everything:
            return listings, ()
        meant: list[Listing] = []
        others: list[Listing] = []
        for listing in listings:
            (meant if self._choose(listing) else others).append(listing)
        return meant, others

    def holds(self, uri: str) -> bool:
        """Say whether the file at a URI was chosen."""
        return self.is_everything or uri in self._chosen

    @property
    def is_everything(self) -> bool:
        """Whether whatever is listed is meant."""
        return not (self.names.include or self.names.exclude)
