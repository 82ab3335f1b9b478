"""Scans: compare a listing with the catalog, and write down what is new, changed or gone.

Most of an archive is as it was. That is found by reading and kept in memory, a byte for each
location, so that a scan of a million unchanged files writes nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from sqlalchemy import and_, case, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from catalog.locations import SourceRange, bounds
from catalog.models import Location, ManifestEntry
from catalog.snapshot import Snapshot
from catalog.values import Listing, ProbeStatus, SourceKind

#: A page's URIs may lie apart in the catalog; beyond this many times the page they are asked for.
_SPREAD = 4
_ROWS_AT_ONCE = 20_000
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)

#: Looked at again whenever they are seen, changed or not: time or another engine may mend them.
LOOK_AGAIN = (ProbeStatus.DEFERRED, ProbeStatus.ENGINE_ERROR)
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
    snapshot: Snapshot, scope: SourceRange, page: Sequence[Listing], seen: Seen
) -> list[Listing]:
    """Give what of a page is not as the catalog remembers it; the rest is added to `seen`."""
    rows = _known_records(snapshot, scope, [listing[0] for listing in page])
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


def _known_records(snapshot: Snapshot, scope: SourceRange, uris: list[str]) -> list[_Known]:
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
    scope: SourceRange,
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

    def __init__(self, snapshot: Snapshot, scope: SourceRange, *, before: datetime) -> None:
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


#: A database takes only so many values in one statement.
_IDS_AT_ONCE = 1000


class Change(enum.Enum):
    """How a listing compares with what the catalog knows."""

    NEW = enum.auto()
    CHANGED = enum.auto()
    UNCHANGED = enum.auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the catalog remembers of a location that is listed again."""

    id: int
    size: int
    mtime_ns: int
    etag: str | None
    storage_class: str | None


def compare(listing: Listing, known: Known | None) -> Change:
    """Tell whether the file at a location must be opened again.

    An ETag decides where there is one (a copy onto itself changes only the time); otherwise size
    and modification time do.
    """
    if known is None:
        return Change.NEW
    if listing.size != known.size:
        return Change.CHANGED
    if listing.etag is not None:
        return Change.UNCHANGED if listing.etag == known.etag else Change.CHANGED
    return Change.UNCHANGED if listing.mtime_ns == known.mtime_ns else Change.CHANGED


def record_page(
    session: Session, scope: SourceRange, page: Sequence[Listing], *, now: datetime
) -> dict[Change, int]:
    """Write down one page of a source's listing; gives how many were new, changed, unchanged."""
    known = _known(session, [listing.uri for listing in page])
    new: list[Listing] = []
    changed: list[tuple[int, Listing]] = []
    unchanged: list[int] = []
    reclassed: list[tuple[int, Listing]] = []
    for listing in page:
        seen = known.get(listing.uri)
        if seen is None:
            new.append(listing)
        elif compare(listing, seen) is Change.CHANGED:
            changed.append((seen.id, listing))
        else:
            unchanged.append(seen.id)
            if listing.storage_class != seen.storage_class:
                reclassed.append((seen.id, listing))
    _insert(session, scope, new, now)
    _overwrite(session, scope, changed, now)
    _reclass(session, reclassed)
    _touch(session, unchanged, now)
    if scope.kind is SourceKind.MANIFEST:
        _enter(session, scope, [listing.uri for listing in page])
    return {
        Change.NEW: len(new),
        Change.CHANGED: len(changed),
        Change.UNCHANGED: len(unchanged),
    }


def _known(session: Session, uris: Sequence[str]) -> dict[str, Known]:
    rows = session.execute(
        select(
            Location.uri,
            Location.id,
            Location.size,
            Location.mtime_ns,
            Location.etag,
            Location.storage_class,
        ).where(Location.uri.in_(uris))
    )
    return {
        row.uri: Known(
            id=row.id,
            size=row.size,
            mtime_ns=row.mtime_ns,
            etag=row.etag,
            storage_class=row.storage_class,
        )
        for row in rows
    }


def _insert(session: Session, scope: SourceRange, new: Sequence[Listing], now: datetime) -> None:
    if new:
        session.execute(
            insert(Location),
            [
                _columns(listing)
                | {
                    "uri": listing.uri,
                    "source_id": scope.source_id,
                    "first_seen": now,
                    "last_seen": now,
                }
                for listing in {listing.uri: listing for listing in new}.values()
            ],
        )


def _overwrite(
    session: Session, scope: SourceRange, changed: Sequence[tuple[int, Listing]], now: datetime
) -> None:
    if changed:
        session.execute(
            update(Location),
            [
                _columns(listing)
                | {
                    "id": location_id,
                    "source_id": scope.source_id,
                    "video_id": None,
                    "probe_status": None,
                    "problem": None,
                    "missing_since": None,
                }
                for location_id, listing in changed
            ],
        )
        _see(session, [location_id for location_id, _ in changed], now)


def _see(session: Session, location_ids: Sequence[int], now: datetime) -> None:
    """Remember when these were last seen; another scan may have seen them later, and written first.

    Taking that back would let its end call them missing.
    """
    session.execute(
        update(Location)
        .where(Location.id.in_(location_ids), Location.last_seen < now)
        .values(last_seen=now)
    )


def _columns(listing: Listing) -> dict[str, object]:
    return {
        "name": listing.name,
        "size": listing.size,
        "mtime_ns": listing.mtime_ns,
        "etag": listing.etag,
        "version": listing.version,
        "storage_class": listing.storage_class,
    }


def _reclass(session: Session, reclassed: Sequence[tuple[int, Listing]]) -> None:
    """Remember another storage class; what was archived may be readable now."""
    if not reclassed:
        return
    session.execute(
        update(Location),
        [
            {"id": location_id, "storage_class": listing.storage_class}
            for location_id, listing in reclassed
        ],
    )
    session.execute(
        update(Location)
        .where(
            Location.id.in_([location_id for location_id, _ in reclassed]),
            Location.probe_status == ProbeStatus.ARCHIVED,
        )
        .values(probe_status=None, problem=None)
    )


def _touch(session: Session, unchanged: Sequence[int], now: datetime) -> None:
    if unchanged:
        look_again = and_(
            Location.probe_status.is_not(None),
            or_(
                Location.probe_status.in_(LOOK_AGAIN),
                and_(Location.video_id.is_(None), Location.probe_status != ProbeStatus.ARCHIVED),
            ),
        )
        session.execute(
            update(Location)
            .where(Location.id.in_(unchanged))
            .values(
                last_seen=case((Location.last_seen < now, now), else_=Location.last_seen),
                missing_since=None,
                probe_status=case((look_again, None), else_=Location.probe_status),
            )
        )


def _enter(session: Session, scope: SourceRange, uris: Sequence[str]) -> None:
    build = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    rows = [
        {"source_id": scope.source_id, "location_id": known.id}
        for known in _known(session, uris).values()
    ]
    if rows:
        session.execute(build(ManifestEntry).on_conflict_do_nothing(), rows)


def mark_missing(
    session: Session, location_ids: Sequence[int], *, scan_began: datetime, now: datetime
) -> int:
    """Mark what a complete scan no longer saw, unless another saw it meanwhile; gives how many."""
    marked = 0
    for start in range(0, len(location_ids), _IDS_AT_ONCE):
        result = session.execute(
            update(Location)
            .where(
                Location.id.in_(location_ids[start : start + _IDS_AT_ONCE]),
                Location.last_seen < scan_began,
                Location.missing_since.is_(None),
            )
            .values(missing_since=now)
            .execution_options(synchronize_session=False)
        )
        marked += int(result.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult
    return marked
