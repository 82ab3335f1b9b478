"""Looks at one open file with an engine, or with two where the first is in doubt.

The order of looking: the first bytes, the outer structure, the engine's header, and only where that
is not believed, the packets. What a file contains never raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from catalog.values import Probe, ProbeStatus
from tasks.media import belief, verdict
from tasks.media.belief import UNKNOWN_LENGTH, Check, Length
from tasks.media.engines import NO_ENGINE, Engine, EngineFailed, Media, NotMedia, Report
from tasks.media.layout import Layout
from tasks.media.sniffing import SNIFF_BYTES, sniff
from tasks.media.structure import MOST_PIECES, MOST_PIECES_REMOTE, read_layout
from tasks.media.tags import Whereabouts
from tasks.storage.errors import ReadCapReached


def probe(
    media: Media, engines: Sequence[Engine], *, whereabouts: Whereabouts = Whereabouts.DROP
) -> Probe:
    """Measure a file; the first engine whose answer is believable has spoken.

    If none is, the least doubtful answer stands. Raises what reading the file raises (OSError,
    StoreError), and nothing for what the file contains.
    """
    media.file.seek(0)
    head = media.file.read(SNIFF_BYTES)
    finding = sniff(head)
    if finding is not None:
        return Probe(status=finding.status, error=finding.sentence, engine=NO_ENGINE)
    pieces = MOST_PIECES if media.near else MOST_PIECES_REMOTE
    layout = read_layout(media.file, media.size, head=head, most_pieces=pieces)
    if layout.encrypted:
        return Probe(status=ProbeStatus.ENCRYPTED, error=verdict.ENCRYPTED, engine=NO_ENGINE)
    media = replace(media, indexed=layout.index_whole is True and not layout.fragmented)
    answers: list[Probe] = []
    for engine in engines:
        answers.append(_ask(media, layout, engine, whereabouts))
        if _doubt(answers[-1]) == 0:
            break
    return min(answers, key=_doubt)


def _doubt(answer: Probe) -> int:
    """How much another engine could know better; 0 is nothing."""
    match answer.status:
        case ProbeStatus.ENGINE_ERROR:
            return 3
        case ProbeStatus.UNREADABLE:
            return 2
        case ProbeStatus.OK if answer.duration_seconds is None or answer.video_codec is None:
            return 1
        case _:
            return 0


def _ask(media: Media, layout: Layout, engine: Engine, whereabouts: Whereabouts) -> Probe:
    try:
        report = engine.report(media)
        length = _length(media, layout, engine, report)
    except NotMedia:
        sentence = verdict.not_media(layout, media.size)
        return Probe(status=ProbeStatus.UNREADABLE, error=sentence, engine=engine.name)
    except EngineFailed as error:
        return Probe(status=ProbeStatus.ENGINE_ERROR, error=str(error), engine=engine.name)
    return verdict.judge(
        report,
        layout,
        length=length,
        size=media.size,
        engine=engine.name,
        whereabouts=whereabouts,
    )


def _length(media: Media, layout: Layout, engine: Engine, report: Report) -> Length:
    """Find how long a file lasts, reading its packets only where its header is in doubt."""
    if verdict.main_picture(report) is None:
        return belief.claimed_length(report, media.size)
    match belief.needed_check(report, layout, size=media.size, near=media.near):
        case Check.GIVE_UP:
            return UNKNOWN_LENGTH
        case Check.NONE:
            return belief.claimed_length(report, media.size)
        case Check.TAIL:
            seek_to: Decimal | None = belief.seek_target(report, media.size)
        case Check.SCAN:
            seek_to = None
    try:
        moments = engine.moments(media, seek_to=seek_to)
        if moments is None and seek_to is not None:
            moments = engine.moments(media, seek_to=None)
    except (NotMedia, ReadCapReached):
        # The header was read, so the file is good for something; how long it is stays unknown.
        return UNKNOWN_LENGTH
    return belief.measured_length(report, moments, media.size)
