"""Everything that can go wrong in a way a person can mend, in one tree.

ReelcatError
├── UsageError              exit 2: what was asked for cannot be done as asked
│   ├── SourceError             a source that cannot be listed
│   ├── SettingsError           a setting that makes no sense
│   └── CatalogError            the catalog database cannot be used
│       ├── CatalogTooNew
│       ├── CatalogNotOurs
│       ├── CatalogReadOnly
│       ├── CatalogBusy
│       ├── CatalogReplaced
│       └── CatalogFull
├── AccountStopped          exit 3: key, permission or credit
├── IllegalMove             a state was asked to change against the lifecycle table: a bug
├── ProviderIdTaken         one id of the provider's for two submissions; it stays with the first
└── ProviderUnreadable      the provider answered something that makes no sense

Each carries one sentence that ends in what to do. Those are printed without a traceback; anything
else is a bug and keeps its own.
"""

from __future__ import annotations


class ReelcatError(Exception):
    """Base of all; never raised itself."""

    exit_code = 1


class UsageError(ReelcatError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class SourceError(UsageError):
    """A source that cannot be listed. Nothing in it is called missing."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(source, reason)  # the arguments, so that it can leave another process

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


class SettingsError(UsageError):
    """A setting that makes no sense; names the setting and what it takes."""


class CatalogError(UsageError):
    """The catalog database cannot be used."""


class CatalogTooNew(CatalogError):
    """The catalog was written by a newer reelcat."""


class CatalogNotOurs(CatalogError):
    """The database is not a reelcat catalog."""


class CatalogReadOnly(CatalogError):
    """The catalog cannot be written to."""


class CatalogBusy(CatalogError):
    """Another process has been writing for longer than anybody waits."""


class CatalogReplaced(CatalogError):
    """The catalog is no longer the one that was opened."""

    def __init__(self, shown_url: str = "") -> None:
        named = f"The catalog {shown_url}".strip()
        super().__init__(
            f"{named} was removed or replaced while it was in use, so nothing more is bought; put "
            "back the one that was there, or restore a backup as docs/operations.md says, then run "
            "again."
        )


class CatalogFull(CatalogError):
    """There is no room left on the disk that holds the catalog."""


class AccountStopped(ReelcatError):
    """The provider refuses this key, its permission or its credit."""

    exit_code = 3


class ProviderIdTaken(ReelcatError):
    """The provider answered a submission with the id of another prediction."""

    def __init__(self) -> None:
        super().__init__(
            "The provider answered it with the id of another prediction, so that nobody knows "
            "under which id it runs; see the provider's own records, then give it up with "
            "`reelcat reconcile --assume-lost`."
        )


class IllegalMove(ReelcatError):
    """A state was asked to change against the lifecycle table."""

    def __init__(self, noun: str, before: str, after: str) -> None:
        super().__init__(f"A {noun} cannot go from {before} to {after}.")


class ProviderUnreadable(ReelcatError):
    """The provider answered something that makes no sense to a read that needed it."""
