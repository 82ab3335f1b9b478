"""Turns what an engine reported and what the structure says into a probe.

Pure, and the same for both engines: the status, its one sentence, and the numbers worth keeping.
"""

from __future__ import annotations

from decimal import Decimal

from catalog.values import Probe, ProbeStatus
from tasks.media import duration
from tasks.media.containers import Family, Layout
from tasks.media.duration import Length
from tasks.media.engine import MOST_PIXELS, Report, Stream
from tasks.media.tags import Whereabouts, kept_tags, recorded_at

#: Slow motion of phones; 1,000 and more are time bases mistaken for rates.
MOST_FPS = 960

ENCRYPTED = "The video is encrypted (DRM), so nobody without its key can see it."


def not_media(layout: Layout, size: int) -> str:
    """Say why no engine could make sense of a file."""
    if layout.index_whole is False:
        return _no_index(layout.promised_bytes or 0, size)
    if layout.family is Family.OTHER:
        return "No video format was recognised in this file."
    return f"This {layout.family} is damaged: its header makes no sense."


def _no_index(promised: int, size: int) -> str:
    if promised > size:
        return (
            "This MP4 was cut short before the end of its index, without which nothing in it can "
            f"be found: only {size:,} of at least {promised:,} bytes are there."
        )
    return "The index of this MP4 is missing or damaged, so nothing in it can be found."


def main_picture(report: Report) -> Stream | None:
    """Return the video stream that counts: the largest moving picture, the first of equals."""
    moving = [s for s in report.streams if s.kind == "video" and not s.still]
    return max(moving, key=lambda s: (s.width or 0) * (s.height or 0), default=None)


def judge(
    report: Report,
    layout: Layout,
    *,
    length: Length,
    size: int,
    engine: str,
    whereabouts: Whereabouts,
) -> Probe:
    """Put together the probe of a file that an engine could read."""
    picture = main_picture(report)
    sound = next((s for s in report.streams if s.kind == "audio"), None)
    status, error = _status(report, layout, picture, length=length, size=size)
    rotation = _rotation(picture, layout)
    width, height = _displayed(picture, rotation)
    return Probe(
        status=status,
        error=error,
        engine=engine,
        container=report.container or None,
        duration_seconds=length.seconds,
        duration_source=length.source,
        video_codec=picture.codec if picture else None,
        audio_codec=sound.codec if sound else None,
        width=width,
        height=height,
        rotation=rotation,
        fps=_fps(picture),
        has_audio=sound is not None,
        recorded_at=recorded_at(report.tags, *(s.tags for s in report.streams)),
        tags=kept_tags(report.tags, whereabouts),
    )


def _status(
    report: Report, layout: Layout, picture: Stream | None, *, length: Length, size: int
) -> tuple[ProbeStatus, str | None]:
    if any("enc_key_id" in stream.tags for stream in report.streams):
        return ProbeStatus.ENCRYPTED, ENCRYPTED
    if layout.index_whole is False:
        return ProbeStatus.UNREADABLE, not_media(layout, size)
    if picture is None:
        return ProbeStatus.NO_VIDEO, _nothing_moves(report)
    return (
        _picture_trouble(picture)
        or _end_trouble(report, layout, length, size)
        or (ProbeStatus.OK, None)
    )


def _picture_trouble(picture: Stream) -> tuple[ProbeStatus, str] | None:
    if not picture.width or not picture.height:
        sentence = "It has a video track, but not even the size of its picture can be read."
        return ProbeStatus.UNREADABLE, sentence
    if picture.width * picture.height > MOST_PIXELS:
        most = MOST_PIXELS // 1_000_000
        sentence = (
            f"The picture is {picture.width} x {picture.height}, more than the {most} million "
            "pixels that are safe to decode."
        )
        return ProbeStatus.TOO_LARGE, sentence
    return None


def _end_trouble(
    report: Report, layout: Layout, length: Length, size: int
) -> tuple[ProbeStatus, str] | None:
    claim = duration.claimed_seconds(report)
    if duration.is_cut(layout, size):
        if duration.lacks_little(layout, size) and duration.reaches(length.seconds, claim):
            return None
        return ProbeStatus.TRUNCATED, _cut(report, layout, length, size)
    if not duration.plausible(claim, size) or not duration.falls_short(length.seconds, claim):
        return None
    sentence = (
        f"The file was cut short: its header promises {claim:.1f} seconds, but it ends after "
        f"{length.seconds:.1f}."
    )
    return ProbeStatus.TRUNCATED, sentence


def _cut(report: Report, layout: Layout, length: Length, size: int) -> str:
    claim = duration.claimed_seconds(report)
    promised = f"{layout.promised_bytes:,} bytes"
    if claim is not None:
        promised = f"{claim:.1f} seconds in {promised}"
    held = f"{size:,} bytes"
    if length.seconds is not None:
        held = f"{length.seconds:.1f} seconds in {held}"
    return f"The file was cut short: its header promises {promised}, but it holds only {held}."


def _nothing_moves(report: Report) -> str:
    kinds = {stream.kind for stream in report.streams}
    if "audio" in kinds and "video" in kinds:
        return "It holds sound and a cover picture, but no moving picture."
    if "audio" in kinds:
        return "It holds sound, but no picture."
    if "video" in kinds:
        return "It holds a still picture, but no moving one."
    return "It holds neither picture nor sound."


def _rotation(picture: Stream | None, layout: Layout) -> int | None:
    if picture is None:
        return None
    if picture.rotation is not None:
        return picture.rotation
    return layout.rotation or 0


def _displayed(picture: Stream | None, rotation: int | None) -> tuple[int | None, int | None]:
    if picture is None:
        return None, None
    if rotation in (90, 270):
        return picture.height, picture.width
    return picture.width, picture.height


def _fps(picture: Stream | None) -> Decimal | None:
    rate = picture.fps if picture else None
    return round(rate, 3) if rate is not None and 0 < rate <= MOST_FPS else None
