"""Videos: content that was looked at, wherever it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from catalog import measures, search_index, tables
from catalog.locations import Unlooked, as_listed
from catalog.models import Video
from catalog.values import Inspection, ProbeStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What looking at a location gave."""

    location: Unlooked
    inspection: Inspection
    now: datetime

    @property
    def content_id(self) -> str | None:
        """What lies there; None if its bytes could not be read, or not yet."""
        deferred = self.inspection.probe.status is ProbeStatus.DEFERRED
        return None if deferred else self.inspection.content_id


def record_inspections(session: Session, looks: Sequence[Look]) -> list[None]:
    """Write down what looking gave; content seen before becomes the same video.

    Nothing is written of a file that was replaced meanwhile: it is to be looked at once more.
    """
    current = as_listed(session, [look.location for look in looks])
    valid = [look for look in looks if look.location.id in current]
    video_ids = _remember(session, [look for look in valid if look.content_id is not None])
    if valid:
        session.connection().execute(_LOOKED_AT, [_outcome(look, video_ids) for look in valid])
    if video_ids:
        search_index.refresh(session, list(video_ids.values()))
    return [None] * len(looks)


def _outcome(look: Look, video_ids: Mapping[str, int]) -> dict[str, object]:
    probe = look.inspection.probe
    content_id = look.content_id
    return {
        "of": look.location.id,
        "probe_status": probe.status,
        "problem": probe.error if content_id is None else None,
        "video_id": None if content_id is None else video_ids[content_id],
        "claimed_by": None,  # whoever lists it anew need not wait for who looked at it now
    }


def _remember(session: Session, looks: Sequence[Look]) -> dict[str, int]:
    """Find or make the videos; a better look at known content replaces a worse one.

    Gives their ids by content.
    """
    if not looks:
        return {}
    rows = session.scalars(
        select(Video)
        .where(Video.content_id.in_({look.content_id for look in looks}))
        .execution_options(populate_existing=True)
    )
    known = {video.content_id: video for video in rows}
    new: dict[str, dict[str, Any]] = {}
    for look in looks:
        content_id = look.content_id or ""
        if content_id in known:
            video = known[content_id]
            if video.probe_status is not ProbeStatus.OK:
                for name, value in _measures(look, taken_at=video.taken_at).items():
                    setattr(video, name, value)
        elif content_id not in new:
            first = {"content_id": content_id, "size": look.inspection.size, "added_at": look.now}
            taken_at = _file_time(look.location.listing.mtime_ns)
            new[content_id] = first | _measures(look, taken_at=taken_at)
        elif new[content_id]["probe_status"] is not ProbeStatus.OK:
            new[content_id] |= _measures(look, taken_at=new[content_id]["taken_at"])
    session.flush()
    ids = {content_id: video.id for content_id, video in known.items()}
    return ids | _insert(session, new)


def _insert(session: Session, new: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    if not new:
        return {}
    inserted = session.connection().execute(_NEW, list(new.values()))
    return {row.content_id: row.id for row in inserted}


def _measures(look: Look, *, taken_at: datetime | None) -> dict[str, Any]:
    """Give what a look says of a video, by column; `taken_at` is what else is known of that."""
    probe = look.inspection.probe
    return measures.columns_of(probe) | {"taken_at": probe.recorded_at or taken_at}


def _file_time(mtime_ns: int) -> datetime:
    """Give a file's time; one that no calendar holds counts as the oldest."""
    try:
        return datetime.fromtimestamp(mtime_ns / 1_000_000_000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return datetime(1970, 1, 1, tzinfo=UTC)


# Put together once: they are asked for every few files.
_locations = tables.locations
_LOOKED_AT = (
    update(_locations)
    .where(_locations.c.id == bindparam("of"))
    .values(
        {name: bindparam(name) for name in ("probe_status", "problem", "video_id", "claimed_by")}
    )
)
_videos = tables.videos
_NEW = insert(_videos).returning(_videos.c.id, _videos.c.content_id)
