"""Sightings: which known locations a scan saw as the catalog remembers them. Reads only.

Most of an archive is as it was. That is found by reading and kept in memory, a byte for each
location, so that a scan of a million unchanged files writes nothing. What is new, changed or back
goes to `catalog.scans`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from catalog.scans import LOOK_AGAIN
from catalog.snapshot import Snapshot
from catalog.sources import Scope, bounds
from catalog.values import Listing, SourceKind

#: A page's URIs may lie apart in the catalog; beyond this many times the page they are asked for.
_SPREAD = 4
_ROWS_AT_ONCE = 20_000
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)

_AGAIN = ", ".join(f"'{status.value}'" for status in LOOK_AGAIN)
#: What is to be left as it is when it is seen again; see `catalog.scans`.
_QUIET = f"""
    missing_since IS NULL AND (
        probe_status = 'ok' OR probe_status IS NULL
        OR probe_status NOT IN ({_AGAIN}) AND (video_id IS NOT NULL OR probe_status = 'archived')
    )
"""
_ENTERED = """
    AND EXISTS (
        SELECT 1 FROM manifest_entries AS entries
        WHERE entries.source_id = :source_id AND entries.location_id = locations.id
    )
"""
_KNOWN = f"SELECT uri, size, mtime_ns, etag, storage_class, id FROM locations WHERE {_QUIET}"  # noqa: S608

_Known: TypeAlias = tuple[str, int, int, str | None, str | None, int]


class Seen:
    """Ids of locations, a byte for each number up to the greatest."""

    def __init__(self) -> None:
        self._flags = bytearray()

    def up_to(self, location_id: int) -> bytearray:
        """Give the flags by id, as many as it takes to set that of a location."""
        if location_id >= len(self._flags):
            self._flags.extend(bytes(max(location_id + 1 - len(self._flags), len(self._flags))))
        return self._flags

    def count(self) -> int:
        """Count them."""
        return self._flags.count(1)


def others_scan(snapshot: Snapshot, *, since: datetime | None = None) -> bool:
    """Whether another run may be scanning, or may have been at any time `since`.

    Then what is seen has to be written down, too: the other's end must not call it missing. A run
    has a row of its own before it scans.
    """
    row = snapshot.row(
        "SELECT COUNT(*) AS count FROM runs WHERE finished_at IS NULL OR finished_at >= :since",
        since=snapshot.moment(since or _NEVER),
    )
    return bool(row["count"] > 1)


def differing(
    snapshot: Snapshot, scope: Scope, page: Sequence[Listing], seen: Seen
) -> list[Listing]:
    """Give what of a page is not as the catalog remembers it; the rest is added to `seen`."""
    rows = _known(snapshot, scope, [listing[0] for listing in page])
    known = {row[0]: row for row in rows}
    flags = seen.up_to(max([row[5] for row in rows], default=0))
    different: list[Listing] = []
    for listing in page:
        uri, _, size, mtime_ns, etag, _, storage_class, _, _ = listing
        row = known.get(uri)
        if (
            row is not None
            and row[1] == size
            and (row[2] == mtime_ns if etag is None else row[3] == etag)
            and row[4] == storage_class
        ):
            flags[row[5]] = 1
        else:
            different.append(listing)
    return different


def _known(snapshot: Snapshot, scope: Scope, uris: list[str]) -> list[_Known]:
    """Give what is quiet of these URIs, and perhaps of others that lie between them."""
    entered, values = "", {}
    if scope.kind is SourceKind.MANIFEST:
        entered, values = _ENTERED, {"source_id": scope.source_id}
    most = _SPREAD * len(uris)
    rows = snapshot.tuples(
        f"{_KNOWN} {entered} AND uri BETWEEN :first AND :last LIMIT :most",
        first=min(uris),
        last=max(uris),
        most=most,
        **values,
    )
    if len(rows) == most:
        rows = snapshot.tuples(f"{_KNOWN} {entered} AND uri IN (:uris)", uris=uris, **values)
    return rows


def unseen(
    snapshot: Snapshot,
    scope: Scope,
    seen: Seen,
    *,
    scan_began: datetime,
    unlisted: Collection[str],
) -> list[int]:
    """Give the locations of a source that a scan which is over did not see, and nobody else did.

    `unlisted` are the URIs of folders that could not be read: what lies below them is left alone.
    """
    present = _Present(snapshot, scope, before=scan_began)
    if not others_scan(snapshot, since=scan_began) and present.count() == seen.count():
        return []  # nobody else wrote, so what was seen is among what is present: it is all of it
    hidden = {uri.rstrip("/") for uri in unlisted}
    found: list[int] = []
    for rows in present.pages():
        flags = seen.up_to(max(row[0] for row in rows))
        left = [row for row in rows if not flags[row[0]]]
        found.extend(row[0] for row in left if not (hidden and _is_within(row[1], hidden)))
    return found


class _Present:
    """What a source has that is not missing and was not written since a moment."""

    def __init__(self, snapshot: Snapshot, scope: Scope, *, before: datetime) -> None:
        self._snapshot = snapshot
        first, last = bounds(scope)
        below = first
        inside = "uri >= :first AND uri < :last"
        if scope.kind is SourceKind.MANIFEST:
            inside = "id IN (SELECT location_id FROM manifest_entries WHERE source_id = :source_id)"
        elif scope.kind is SourceKind.BUCKET:
            inside += " AND (uri = :first OR uri >= :below)"
            below = first if first.endswith("/") else f"{first}/"
        self._where = f"{inside} AND missing_since IS NULL AND last_seen < :before"
        self._values = {
            "first": first,
            "last": last,
            "below": below,
            "source_id": scope.source_id,
            "before": snapshot.moment(before),
        }

    def count(self) -> int:
        """Count it."""
        row = self._snapshot.row(
            f"SELECT COUNT(*) AS count FROM locations WHERE {self._where}",  # noqa: S608 - ours
            **self._values,
        )
        return int(row["count"])

    def pages(self) -> Iterator[list[tuple[int, str]]]:
        """Give ids and URIs by URI, many at a time."""
        after = ""
        while True:
            rows = self._snapshot.tuples(
                f"SELECT id, uri FROM locations WHERE {self._where} "  # noqa: S608 - ours
                "AND uri > :after ORDER BY uri LIMIT :most",
                after=after,
                most=_ROWS_AT_ONCE,
                **self._values,
            )
            if rows:
                yield rows
            if len(rows) < _ROWS_AT_ONCE:
                return
            after = rows[-1][1]


def _is_within(uri: str, folders: Collection[str]) -> bool:
    """Whether a URI is one of `folders` or lies below one."""
    return uri in folders or any(
        uri[:position] in folders for position, sign in enumerate(uri) if sign == "/"
    )
