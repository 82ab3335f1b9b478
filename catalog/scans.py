"""Scans: hold a listing against the catalog, and write down what is new, changed or gone."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from catalog.models import Location, ManifestEntry
from catalog.sources import Scope
from catalog.values import Listing, ProbeStatus, SourceKind

#: Looked at again whenever they are seen, changed or not: time or another engine may mend them.
LOOK_AGAIN = (ProbeStatus.DEFERRED, ProbeStatus.ENGINE_ERROR)

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
    session: Session, scope: Scope, page: Sequence[Listing], *, now: datetime
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


def _insert(session: Session, scope: Scope, new: Sequence[Listing], now: datetime) -> None:
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
    session: Session, scope: Scope, changed: Sequence[tuple[int, Listing]], now: datetime
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


def _enter(session: Session, scope: Scope, uris: Sequence[str]) -> None:
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
