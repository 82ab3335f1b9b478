"""Files of this machine, which only a sandbox inside reelcat's own process reads.

The fragment of their address says what is to be found there: `content`, the content's id, and
`root`, the folder that no link may lead out of. Both may be missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from tasks.media.fingerprint import content_id
from tasks.storage.errors import FileChanged, FileVanished
from tasks.storage.local import LocalFile, LocalReader, Stamp
from tasks.storage.safe_open import path_to
from tasks.storage.uris import path_of


@dataclass(frozen=True, kw_only=True, slots=True)
class FileHere:
    """A file that was seen to hold what its address says."""

    uri: str
    root: str | None
    stamp: Stamp

    @classmethod
    def of(cls, url: str) -> FileHere:
        """Look at the file that an address names.

        Raises:
            StoreError: it cannot be opened, or holds something else.
        """
        told = parse_qs(urlsplit(url).fragment)
        uri = url.partition("#")[0].partition("?")[0]
        root, content = told.get("root", [None])[0], told.get("content", [None])[0]
        with _opened(uri, root) as file:
            if content is not None and content_id(file, file.size) != content:
                raise FileChanged(uri)
            file.require_unchanged()
            return cls(uri=uri, root=root, stamp=file.stamp)

    @contextmanager
    def opened(self) -> Iterator[str]:
        """Open the very file that was looked at, and lend a path that leads to it alone.

        Where the system offers none, the file's own path has to do.

        Raises:
            StoreError: another file lies there by now, or it was written to.
        """
        with _opened(self.uri, self.root) as file:
            if file.stamp != self.stamp:
                raise FileChanged(self.uri)
            yield path_to(file.fileno()) or os.fspath(path_of(self.uri))


def _opened(uri: str, root: str | None) -> LocalFile:
    reader = LocalReader()
    listing = reader.look(uri)
    if listing is None:
        raise FileVanished(uri)
    return reader.open(uri, size=listing.size, root=root)
