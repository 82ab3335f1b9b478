"""Sources, and which locations belong to one.

A folder or a bucket prefix owns every URI that begins with it, whichever source listed it first, so
overlapping sources share their locations. Only a manifest keeps a list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from catalog.models import Location, ManifestEntry, Source
from catalog.values import SourceKind

_MOST_IN_A_CHAIN = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """The locations of one known source."""

    source_id: int
    uri: str
    kind: SourceKind


def register(session: Session, uri: str, kind: SourceKind) -> Scope:
    """Find or make the source with this URI."""
    source = session.scalars(select(Source).where(Source.uri == uri)).one_or_none()
    if source is None:
        source = Source(uri=uri, kind=kind, last_scan_at=None, last_scan_problem=None)
        session.add(source)
        session.flush()
    source.kind = kind
    return Scope(source_id=source.id, uri=uri, kind=kind)


def record_scan(session: Session, scope: Scope, *, now: datetime, problem: str | None) -> None:
    """Remember when a source was last listed, and what of it could not be."""
    source = session.get_one(Source, scope.source_id)
    source.last_scan_at = now
    source.last_scan_problem = problem


def within(scope: Scope) -> ColumnElement[bool]:
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


def within_any(scopes: Sequence[Scope]) -> ColumnElement[bool]:
    """Select the locations of several sources, thousands if need be."""
    files = [scope.uri for scope in scopes if scope.kind is SourceKind.FILE]
    conditions = [within(scope) for scope in scopes if scope.kind is not SourceKind.FILE]
    if files:
        conditions.append(Location.uri.in_(files))
    return _any_of(conditions)


def roots_in(scopes: Sequence[Scope]) -> Callable[[str], str | None]:
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
        select(Location.id).where(or_(*conditions[start : start + _MOST_IN_A_CHAIN]))
        for start in range(0, len(conditions), _MOST_IN_A_CHAIN)
    )
    return or_(*(Location.id.in_(part) for part in parts))


def bounds(scope: Scope) -> tuple[str, str]:
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
