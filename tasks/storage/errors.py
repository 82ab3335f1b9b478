"""Why one file could not be read, in one tree.

StoreError                   one file, one reason; the run goes on
├── FileVanished                 listed, but no longer there
├── FileChanged                  not the bytes that were listed: list again
├── FileForbidden                there, but these credentials may not read it
├── FileArchived                 an S3 storage class that must be restored first
├── FileUnreadable               anything else about this file
│   └── LinkNotFollowed              a link on the way leads out of the source
├── ReadCapReached               reading on would cost more than was allowed
├── LinkTooShort                 a link for the provider would die too soon
└── StoreUnreachable             says nothing about the file; another try may do
    ├── ReadInterrupted              the answer broke off half-way
    └── StoreRefused                 no credentials, wrong or expired ones: true of every file

A source that cannot be listed as a whole is `catalog.errors.SourceError`.
"""

from __future__ import annotations

from catalog.errors import ReelcatError
from tasks.storage.uris import shown


class StoreError(ReelcatError):
    """One file could not be read; carries its URI and a clause that says why."""

    #: Used where nothing more exact is known.
    default_reason = "it cannot be read"

    def __init__(self, uri: str, reason: str | None = None) -> None:
        self.uri = uri
        self.reason = reason or self.default_reason
        super().__init__(uri, self.reason)

    def __str__(self) -> str:
        return f"{shown(self.uri)}: {self.reason}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class FileVanished(StoreError):
    """The file was listed but is no longer there."""

    default_reason = "it is no longer there"


class FileChanged(StoreError):
    """The file no longer holds the bytes that were listed."""

    default_reason = "it changed since it was listed; the next run sees it anew"


class FileForbidden(StoreError):
    """The file may not be read with what reelcat was given."""


class FileArchived(StoreError):
    """The object lies in an archive class and must be restored before anybody can read it."""

    default_reason = "it is archived; restore it, then run again"


class FileUnreadable(StoreError):
    """The file cannot be read, for a reason of its own."""


class LinkNotFollowed(FileUnreadable):
    """A link on the way to the file leads out of the source that it was found in."""

    default_reason = "a link on the way leads out of the source; --follow-links follows it"


class ReadCapReached(StoreError):
    """Reading on would pass the cap on requests or bytes for one file."""


class LinkTooShort(StoreError):
    """The credentials expire too soon for a link that the provider could still use."""


class StoreUnreachable(StoreError):
    """The store did not answer as a store should; the same read may work later."""


class StoreRefused(StoreUnreachable):
    """The store takes no request from us at all, until the credentials are mended."""


class ReadInterrupted(StoreUnreachable):
    """An answer broke off half-way."""


def in_words(error: OSError) -> str:
    """Say what the operating system said, without the path it said it about."""
    if isinstance(error, PermissionError):
        return "permission denied; let the user who runs reelcat read it"
    words = error.strerror or type(error).__name__
    return f"the system says: {words[:1].lower()}{words[1:]}"
