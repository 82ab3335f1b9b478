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

from sqlalchemy import (
    Connection,
    Row,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from catalog.batches import batched
from catalog.locations import SourceRange, bounds
from catalog.models import Location, ManifestEntry
from catalog.tables import locations, manifest_entries, runs
from catalog.values import Listing, ProbeStatus, SourceKind

#: A page's URIs may lie apart in the catalog; beyond this many times the page they are asked for.
_SPREAD = 4
_ROWS_AT_ONCE = 20_000
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)

#: Looked at again whenever they are seen, changed or not: time or another engine may mend them.
LOOK_AGAIN = (ProbeStatus.DEFERRED, ProbeStatus.ENGINE_ERROR)
_L = locations.c
#: What is to be left as it is when it is seen again.
_QUIET = and_(
    _L.missing_since.is_(None),
    or_(
        _L.probe_status == ProbeStatus.OK,
        _L.probe_status.is_(None),
        and_(
            _L.probe_status.not_in(LOOK_AGAIN),
            or_(_L.video_id.is_not(None), _L.probe_status == ProbeStatus.ARCHIVED),
        ),
    ),
)
_ENTERED = exists().where(
    manifest_entries.c.source_id == bindparam("source_id"),
    manifest_entries.c.location_id == _L.id,
)
_KNOWN = select(_L.uri, _L.size, _L.mtime_ns, _L.etag, _L.storage_class, _L.id).where(_QUIET)

_Known: TypeAlias = Row[tuple[str, int, int, str | None, str | None, int]]


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


def others_scan(connection: Connection, *, since: datetime | None = None) -> bool:
    """Whether another run may be scanning, or may have been at any time `since`.

    Then what is seen has to be written down, too: the other's end must not call it missing. A run
    has a row of its own before it scans.
    """
    ended = runs.c.finished_at
    query = select(func.count()).where(or_(ended.is_(None), ended >= (since or _NEVER)))
    return connection.execute(query).scalar_one() > 1


def differing(
    connection: Connection, scope: SourceRange, page: Sequence[Listing], seen: Seen
) -> list[Listing]:
    """Give what of a page is not as the catalog remembers it; the rest is added to `seen`."""
    rows = _known_records(connection, scope, [listing[0] for listing in page])
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


def _known_records(connection: Connection, scope: SourceRange, uris: list[str]) -> Sequence[_Known]:
    """Give what is quiet of these URIs, and perhaps of others that lie between them."""
    known, values = _KNOWN, {}
    if scope.kind is SourceKind.MANIFEST:
        known, values = _KNOWN.where(_ENTERED), {"source_id": scope.source_id}
    most = _SPREAD * len(uris)
    near = known.where(_L.uri >= min(uris), _L.uri <= max(uris)).limit(most)
    rows = connection.execute(near, values).all()
    if len(rows) == most:
        rows = connection.execute(known.where(_L.uri.in_(uris)), values).all()
    return rows


def unseen(
    connection: Connection,
    scope: SourceRange,
    seen: Seen,
    *,
    scan_began: datetime,
    unlisted: Collection[str],
) -> list[int]:
    """Give the locations of a source that a scan which is over did not see, and nobody else did.

    `unlisted` are the URIs of folders that could not be read: what lies below them is left alone.
    """
    present = _Present(connection, scope, before=scan_began)
    if not others_scan(connection, since=scan_began) and present.count() == seen.count():
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

    def __init__(self, connection: Connection, scope: SourceRange, *, before: datetime) -> None:
        self._connection = connection
        first, last = bounds(scope)
        inside = and_(_L.uri >= first, _L.uri < last)
        if scope.kind is SourceKind.MANIFEST:
            named = select(manifest_entries.c.location_id)
            inside = _L.id.in_(named.where(manifest_entries.c.source_id == scope.source_id))
        elif scope.kind is SourceKind.BUCKET:
            below = first if first.endswith("/") else f"{first}/"
            inside = and_(inside, or_(_L.uri == first, _L.uri >= below))
        self._where = and_(inside, _L.missing_since.is_(None), _L.last_seen < before)

    def count(self) -> int:
        """Count it."""
        query = select(func.count()).select_from(locations).where(self._where)
        return self._connection.execute(query).scalar_one()

    def pages(self) -> Iterator[Sequence[Row[tuple[int, str]]]]:
        """Give ids and URIs by URI, many at a time."""
        query = select(_L.id, _L.uri).where(self._where).order_by(_L.uri).limit(_ROWS_AT_ONCE)
        after = ""
        while True:
            rows = self._connection.execute(query.where(_L.uri > after)).all()
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
    for some in batched(location_ids, _IDS_AT_ONCE):
        result = session.execute(
            update(Location)
            .where(
                Location.id.in_(some),
                Location.last_seen < scan_began,
                Location.missing_since.is_(None),
            )
            .values(missing_since=now)
            .execution_options(synchronize_session=False)
        )
        marked += int(result.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult
    return marked
