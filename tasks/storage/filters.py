"""Which of the listed files a run is about: `--include` and `--exclude` as pure values."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

from wcmatch import glob
from wcmatch._wcparse import PatternLimitException  # wcmatch raises it but exports it nowhere

from catalog.errors import SettingsError
from catalog.values import Listing

# Cameras write FILM.MP4 and people film.mp4, so case does not matter. MATCHBASE: a pattern without
# a slash is held against the last part of the name.
_FLAGS = (
    glob.GLOBSTAR | glob.BRACE | glob.DOTGLOB | glob.IGNORECASE | glob.MATCHBASE | glob.FORCEUNIX
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Globs over names relative to the source, `/`-separated.

    `*` stays within a folder, `**` does not, `{a,b}` is either, case does not matter. A pattern
    without a slash is held against the file's own name, one that ends in a slash means all below.

    Raises:
        SettingsError: a pattern is empty or stands for too many.
    """

    #: At least one must match; none means everything.
    include: tuple[str, ...] = ()
    #: None may match.
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _matcher(self.include, "--include")
        _matcher(self.exclude, "--exclude")

    def accepts(self, name: str) -> bool:
        """Say whether a name is meant.

        >>> only_2009 = Filter(include=("2009/**",), exclude=("*_proxy.{mp4,mov}",))
        >>> only_2009.accepts("2009/may/a.mp4"), only_2009.accepts("2009/may/a_PROXY.MOV")
        (True, False)
        """
        if self.include and not _matcher(self.include, "--include").match(name):
            return False
        return not (self.exclude and _matcher(self.exclude, "--exclude").match(name))


@functools.lru_cache(maxsize=64)
def _matcher(patterns: Sequence[str], option: str) -> glob.WcMatcher[str]:
    if not all(pattern.strip() for pattern in patterns):
        raise SettingsError(f"{option} was given an empty pattern; write one such as '*.mp4'.")
    below = [pattern + "**" if pattern.endswith("/") else pattern for pattern in patterns]
    try:
        return glob.compile(below, flags=_FLAGS)
    except PatternLimitException as error:
        raise SettingsError(
            f"{option} stands for too many patterns; write fewer braces."
        ) from error


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
