"""Sources, and which locations belong to one.

A folder or a bucket prefix owns every URI that begins with it, whichever source listed it first, so
overlapping sources share their locations. Only a manifest keeps a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select, true, update
from sqlalchemy.orm import Session

from catalog.batches import batched
from catalog.models import Location, ManifestEntry, Run, Source, Video
from catalog.values import Listing, ProbeStatus, SourceKind

_MOST_IN_A_CHAIN = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRange:
    """The locations of one known source."""

    source_id: int
    uri: str
    kind: SourceKind


def register(session: Session, uri: str, kind: SourceKind) -> SourceRange:
    """Find or make the source with this URI."""
    source = session.scalars(select(Source).where(Source.uri == uri)).one_or_none()
    if source is None:
        source = Source(uri=uri, kind=kind, last_scan_at=None, last_scan_problem=None)
        session.add(source)
        session.flush()
    source.kind = kind
    return SourceRange(source_id=source.id, uri=uri, kind=kind)


def record_scan(
    session: Session, scope: SourceRange, *, now: datetime, problem: str | None
) -> None:
    """Remember when a source was last listed, and what of it could not be."""
    source = session.get_one(Source, scope.source_id)
    source.last_scan_at = now
    source.last_scan_problem = problem


def within(scope: SourceRange) -> ColumnElement[bool]:
    """Select the locations of a source: a range of URIs, or a manifest's entries."""
    if scope.kind is SourceKind.MANIFEST:
        entries = select(ManifestEntry.location_id).where(
            ManifestEntry.source_id == scope.source_id
        )
        return Location.id.in_(entries)
    if scope.kind is SourceKind.FILE:
        return Location.uri == scope.uri
    below = below_prefix(scope.uri)
    return below if scope.kind is SourceKind.FOLDER else or_(Location.uri == scope.uri, below)


def within_any(scopes: Sequence[SourceRange]) -> ColumnElement[bool]:
    """Select the locations of several sources, thousands if need be."""
    files = [scope.uri for scope in scopes if scope.kind is SourceKind.FILE]
    conditions = [within(scope) for scope in scopes if scope.kind is not SourceKind.FILE]
    if files:
        conditions.append(Location.uri.in_(files))
    return _any_of(conditions)


def roots_in(scopes: Sequence[SourceRange]) -> Callable[[str], str | None]:
    """Tell of any URI below which folder it was found: the innermost among these sources.

    None if no folder holds it, or the file was named itself.
    """
    files = {scope.uri for scope in scopes if scope.kind is SourceKind.FILE}
    folders = {
        scope.uri.removesuffix("/"): scope.uri
        for scope in scopes
        if scope.kind is SourceKind.FOLDER
    }

    def root_of(uri: str) -> str | None:
        folder = "" if uri in files or not folders else uri
        while folder:
            folder = folder.rpartition("/")[0]
            if folder in folders:
                return folders[folder]
        return None

    return root_of


def _any_of(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Join by OR, long lists in parts: SQLite takes no chain of more than a thousand."""
    if len(conditions) <= _MOST_IN_A_CHAIN:
        return or_(false(), *conditions)
    parts = (
        select(Location.id).where(or_(*some)) for some in batched(conditions, _MOST_IN_A_CHAIN)
    )
    return or_(*(Location.id.in_(part) for part in parts))


def bounds(scope: SourceRange) -> tuple[str, str]:
    """Give the first URI that may belong to a source that is no manifest, and the first beyond."""
    if scope.kind is SourceKind.FILE:
        return scope.uri, scope.uri + chr(0x01)
    start = scope.uri if scope.uri.endswith("/") else scope.uri + "/"
    return (
        scope.uri if scope.kind is SourceKind.BUCKET else start,
        start[:-1] + chr(ord("/") + 1),
    )


def below_prefix(uri: str) -> ColumnElement[bool]:
    """Select what lies below a folder or prefix, as a range that an index serves."""
    start = uri if uri.endswith("/") else uri + "/"
    return and_(Location.uri >= start, Location.uri < start[:-1] + chr(ord("/") + 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Unlooked:
    """A location whose bytes are to be looked at."""

    id: int
    listing: Listing
    #: Another living run has claimed it.
    claimed: bool = False


def unlooked(
    session: Session, scopes: Sequence[SourceRange], *, after_uri: str, limit: int, run_id: str = ""
) -> list[Unlooked]:
    """Give the next locations, by URI, that were listed but not looked at.

    Those that a living run other than `run_id` is looking at are among them, and say so.
    """
    rows = session.execute(
        select(Location, func.coalesce(_is_claimed_by_another(run_id), false()))
        .where(
            within_any(scopes),
            Location.probe_status.is_(None),
            Location.missing_since.is_(None),
            Location.uri > after_uri,
        )
        .order_by(Location.uri)
        .limit(limit)
    )
    root_of = roots_in(scopes)
    return [
        Unlooked(id=row.id, listing=listing_of(row, root_of(row.uri)), claimed=claimed)
        for row, claimed in rows
    ]


def claim(session: Session, location_ids: Sequence[int], *, run_id: str) -> set[int]:
    """Claim locations to be looked at by this run; gives those that it got.

    A claim lasts until what was seen is written down, and no longer than its run: what a run that
    ended or died had claimed is free again.
    """
    claimed = session.scalars(
        update(Location)
        .where(
            Location.id.in_(location_ids),
            Location.probe_status.is_(None),
            or_(Location.claimed_by.is_(None), not_(_is_claimed_by_another(run_id))),
        )
        .values(claimed_by=run_id)
        .returning(Location.id)
        .execution_options(synchronize_session=False)
    )
    return set(claimed)


def unclaim(session: Session, location_ids: Sequence[int], *, run_id: str) -> None:
    """Let others have what this run claimed and did not look at after all."""
    session.execute(
        update(Location)
        .where(
            Location.id.in_(location_ids),
            Location.probe_status.is_(None),
            Location.claimed_by == run_id,
        )
        .values(claimed_by=None)
        .execution_options(synchronize_session=False)
    )


def _is_claimed_by_another(run_id: str) -> ColumnElement[bool]:
    """Whether a living run other than this one has claimed a location; null where none ever had."""
    alive = select(Run.id).where(Run.finished_at.is_(None), Run.id != run_id)
    return Location.claimed_by.in_(alive)


def as_listed(session: Session, several: Sequence[Unlooked]) -> set[int]:
    """Give those that have not been listed with other bytes since they were given to be looked at.

    What was seen of the old bytes says nothing of the new ones.
    """
    session.flush()
    rows = session.execute(
        select(Location.id, Location.size, Location.mtime_ns, Location.etag).where(
            Location.id.in_([one.id for one in several])
        )
    )
    stand = {row.id: (row.size, row.mtime_ns, row.etag) for row in rows}
    return {
        one.id
        for one in several
        if stand.get(one.id) == (one.listing.size, one.listing.mtime_ns, one.listing.etag)
    }


def listing_of(row: Location, root: str | None, content_id: str | None = None) -> Listing:
    """Give a location as the listing that it was recorded from, below `root`."""
    return Listing(
        uri=row.uri,
        name=row.name,
        size=row.size,
        mtime_ns=row.mtime_ns,
        etag=row.etag,
        version=row.version,
        storage_class=row.storage_class,
        root=root,
        content_id=content_id,
    )


def places_to_read(session: Session, prefer: Mapping[int, str | None]) -> Mapping[int, Listing]:
    """Give a present location of each video to send it from, where it has one.

    `prefer` gives for each video the URI that is taken if it lies there, None for the first.
    """
    found: dict[int, Listing] = {}
    rows = session.execute(
        select(Location, Video.content_id, Source.kind, Source.uri)
        .join(Video, Video.id == Location.video_id)
        .join(Source, Source.id == Location.source_id)
        .where(Location.video_id.in_(prefer), Location.missing_since.is_(None))
        .order_by(Location.uri)
    )
    for row, content_id, kind, source_uri in rows:
        if row.video_id is not None and (
            row.video_id not in found or row.uri == prefer[row.video_id]
        ):
            root = source_uri if kind is SourceKind.FOLDER else None
            found[row.video_id] = listing_of(row, root, content_id)
    return found


def look_again(session: Session, listing: Listing) -> None:
    """Have a location looked at anew: it does not hold what was seen there, though unchanged."""
    session.execute(
        update(Location)
        .where(
            Location.uri == listing.uri,
            Location.size == listing.size,
            Location.mtime_ns == listing.mtime_ns,
        )
        .values(probe_status=None, problem=None, video_id=None, claimed_by=None)
        .execution_options(synchronize_session=False)
    )


def record_problem(
    session: Session, location_id: int, *, status: ProbeStatus, problem: str
) -> None:
    """Write down why a location's bytes could not become a video."""
    session.execute(
        update(Location)
        .where(Location.id == location_id)
        .values(probe_status=status, problem=problem, video_id=None, claimed_by=None)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class LocationState:
    """A location as it lies in a source now."""

    uri: str
    name: str
    size: int
    #: None when its bytes could not be read.
    video_id: int | None
    #: None when it was not looked at yet.
    status: ProbeStatus | None
    #: Why it cannot be analysed; None if it can.
    reason: str | None


def duplicates(session: Session, scopes: Sequence[SourceRange]) -> int:
    """Count the places in the sources whose video lies in another of them, too, but for one."""
    places = func.count(Location.video_id)
    return session.execute(
        select(places - func.count(Location.video_id.distinct())).where(
            within_any(scopes), Location.missing_since.is_(None)
        )
    ).scalar_one()


def present(
    session: Session, scopes: Sequence[SourceRange], *, troubled: bool = False
) -> Iterator[LocationState]:
    """Stream what lies in the sources now, by URI; `troubled` alone if only that is asked for."""
    wanted = Location.probe_status != ProbeStatus.OK if troubled else true()
    rows = session.execute(
        select(
            Location.uri,
            Location.name,
            Location.size,
            Location.video_id,
            Location.probe_status,
            func.coalesce(Location.problem, Video.probe_error),
        )
        .join(Video, Video.id == Location.video_id, isouter=True)
        .where(within_any(scopes), Location.missing_since.is_(None), wanted)
        .order_by(Location.uri)
        .execution_options(yield_per=1000)
    )
    for uri, name, size, video_id, status, reason in rows:
        yield LocationState(
            uri=uri, name=name, size=size, video_id=video_id, status=status, reason=reason
        )
