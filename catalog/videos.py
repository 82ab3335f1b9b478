"""Videos: content that was looked at, wherever it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from catalog import searchable
from catalog.locations import Unlooked, as_listed
from catalog.models import Location, Video
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


def record_inspection(
    session: Session, location: Unlooked, inspection: Inspection, *, now: datetime
) -> None:
    """Write down what looking at one location gave; see `record_inspections`."""
    record_inspections(session, [Look(location=location, inspection=inspection, now=now)])


def record_inspections(session: Session, looks: Sequence[Look]) -> list[None]:
    """Write down what looking gave; content seen before becomes the same video.

    Nothing is written of a file that was replaced meanwhile: it is to be looked at once more.
    """
    current = as_listed(session, [look.location for look in looks])
    valid = [look for look in looks if look.location.id in current]
    videos = _remember(session, [look for look in valid if look.content_id is not None])
    if valid:
        session.execute(update(Location), [_outcome(look, videos) for look in valid])
    if videos:
        searchable.refresh_all(session, [video.id for video in videos.values()])
    return [None] * len(looks)


def _outcome(look: Look, videos: Mapping[str, Video]) -> dict[str, object]:
    probe = look.inspection.probe
    content_id = look.content_id
    return {
        "id": look.location.id,
        "probe_status": probe.status,
        "problem": probe.error if content_id is None else None,
        "video_id": None if content_id is None else videos[content_id].id,
        "claimed_by": None,  # whoever lists it anew need not wait for who looked at it now
    }


def _remember(session: Session, looks: Sequence[Look]) -> dict[str, Video]:
    """Find or make the videos; a better look at known content replaces a worse one."""
    if not looks:
        return {}
    contents = {look.content_id for look in looks}
    rows = session.scalars(
        select(Video)
        .where(Video.content_id.in_(contents))
        .execution_options(populate_existing=True)
    )
    videos = {video.content_id: video for video in rows}
    for look in looks:
        content_id = look.content_id or ""
        video = videos.get(content_id)
        if video is None:
            video = Video(content_id=content_id, size=look.inspection.size, added_at=look.now)
            video.taken_at = _file_time(look.location.listing.mtime_ns)
            _measure(video, look.inspection)
            session.add(video)
            videos[content_id] = video
        elif video.probe_status is not ProbeStatus.OK:
            _measure(video, look.inspection)
    session.flush()
    return videos


def _measure(video: Video, inspection: Inspection) -> None:
    probe = inspection.probe
    video.probe_status = probe.status
    video.probe_error = probe.error
    video.probe_engine = probe.engine
    video.container = probe.container
    video.duration_seconds = probe.duration_seconds
    video.duration_source = probe.duration_source
    video.video_codec = probe.video_codec
    video.audio_codec = probe.audio_codec
    video.width = probe.width
    video.height = probe.height
    video.rotation = probe.rotation
    video.fps = probe.fps
    video.has_audio = probe.has_audio
    video.recorded_at = probe.recorded_at
    video.taken_at = probe.recorded_at or video.taken_at
    video.tags = dict(probe.tags)


def _file_time(mtime_ns: int) -> datetime:
    """Give a file's time; one that no calendar holds counts as the oldest."""
    try:
        return datetime.fromtimestamp(mtime_ns / 1_000_000_000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return datetime(1970, 1, 1, tzinfo=UTC)
