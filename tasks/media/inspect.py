"""One look at a location: which content lies there and what it measures, in one opening.

The order of looking: the first bytes, the outer structure, the engine's header, and only where that
is not believed, the packets; a second engine where the first is in doubt. What a file contains
never raises: this is where one bad file stays one bad file.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from catalog.values import Inspection, Listing, Probe, ProbeStatus
from tasks.media import assemble, duration
from tasks.media.containers import MOST_PIECES, MOST_PIECES_REMOTE, Layout, read_layout
from tasks.media.duration import UNKNOWN_LENGTH, Check, Length
from tasks.media.engine import NO_ENGINE, Engine, EngineFailed, Media, NotMedia, Report
from tasks.media.fingerprint import FileShrank, content_id
from tasks.media.sniff import SNIFF_BYTES, sniff
from tasks.media.tags import Whereabouts
from tasks.storage import errors
from tasks.storage.errors import ReadCapReached
from tasks.storage.store import CountedReader, Opener


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
        return Probe(status=ProbeStatus.ENCRYPTED, error=assemble.ENCRYPTED, engine=NO_ENGINE)
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
        sentence = assemble.not_media(layout, media.size)
        return Probe(status=ProbeStatus.UNREADABLE, error=sentence, engine=engine.name)
    except EngineFailed as error:
        return Probe(status=ProbeStatus.ENGINE_ERROR, error=str(error), engine=engine.name)
    return assemble.judge(
        report,
        layout,
        length=length,
        size=media.size,
        engine=engine.name,
        whereabouts=whereabouts,
    )


def _length(media: Media, layout: Layout, engine: Engine, report: Report) -> Length:
    """Find how long a file lasts, reading its packets only where its header is in doubt."""
    if assemble.main_picture(report) is None:
        return duration.claimed_length(report, media.size)
    match duration.needed_check(report, layout, size=media.size, near=media.near):
        case Check.GIVE_UP:
            return UNKNOWN_LENGTH
        case Check.NONE:
            return duration.claimed_length(report, media.size)
        case Check.TAIL:
            seek_to: Decimal | None = duration.seek_target(report, media.size)
        case Check.SCAN:
            seek_to = None
    try:
        moments = engine.moments(media, seek_to=seek_to)
        if moments is None and seek_to is not None:
            moments = engine.moments(media, seek_to=None)
    except (NotMedia, ReadCapReached):
        # The header was read, so the file is good for something; how long it is stays unknown.
        return UNKNOWN_LENGTH
    return duration.measured_length(report, moments, media.size)


class EngineChoice(enum.StrEnum):
    """Which probing engine is asked."""

    AUTO = "auto"  # PyAV, and ffprobe where it is in doubt
    PYAV = "pyav"
    FFPROBE = "ffprobe"  # ffprobe, and PyAV for what it cannot, such as files far away


@dataclass(frozen=True, kw_only=True, slots=True)
class InspectOptions:
    """How to look at files. Plain data: it is sent to other processes."""

    engine: EngineChoice = EngineChoice.AUTO
    #: Path of the ffprobe to ask; None if there is none or it is not to be asked.
    ffprobe: str | None = None
    #: After this ffprobe is stopped; less than the pool allows, so that it is not left running.
    ffprobe_timeout_seconds: float = 20
    whereabouts: Whereabouts = Whereabouts.DROP


def engines_for(options: InspectOptions) -> tuple[Engine, ...]:
    """Make the engines to ask, in order. Where there is no ffprobe, PyAV answers alone."""
    from tasks.media.ffprobe import Ffprobe  # noqa: PLC0415 - engines load FFmpeg or pydantic
    from tasks.media.pyav import PyAv  # noqa: PLC0415 - engines load FFmpeg or pydantic

    second = (
        (Ffprobe(options.ffprobe, timeout_seconds=options.ffprobe_timeout_seconds),)
        if options.ffprobe is not None
        else ()
    )
    match options.engine:
        case EngineChoice.AUTO:
            return (PyAv(), *second)
        case EngineChoice.PYAV:
            return (PyAv(),)
        case EngineChoice.FFPROBE:
            return (*second, PyAv())


def inspect(
    listing: Listing, *, reader: Opener, engines: Sequence[Engine], whereabouts: Whereabouts
) -> Inspection:
    """Fingerprint and probe one location. Never raises for what the file or its store does."""
    try:
        file = reader.open(
            listing.uri,
            size=listing.size,
            etag=listing.etag,
            version=listing.version,
            root=listing.root,
        )
    except errors.StoreError as error:
        return unread(listing, error)
    with file:
        return _inspect_open(listing, file, reader, engines, whereabouts)


def failed(listing: Listing, sentence: str, *, engine: str = NO_ENGINE) -> Inspection:
    """Return the inspection of a file that the engine did not survive."""
    return Inspection(
        content_id=None,
        size=listing.size,
        probe=Probe(status=ProbeStatus.ENGINE_ERROR, error=sentence, engine=engine),
        bytes_read=0,
        requests=0,
    )


def _inspect_open(
    listing: Listing,
    file: CountedReader,
    reader: Opener,
    engines: Sequence[Engine],
    whereabouts: Whereabouts,
) -> Inspection:
    identity: str | None = None
    try:
        identity = content_id(file, file.size)
        path = reader.local_path(listing.uri)
        media = Media(file=file, size=file.size, path=path, near=path is not None)
        found = probe(media, engines, whereabouts=whereabouts)
    except (errors.FileForbidden, errors.FileUnreadable) as error:
        identity = None  # its store is at fault: nothing is to be remembered of the content
        found = _probe_of(error)
    except errors.StoreError as error:
        found = _probe_of(error)
    except FileShrank as error:
        found = Probe(status=ProbeStatus.DEFERRED, error=str(error), engine=NO_ENGINE)
    except MemoryError:
        raise  # the process is at its limit, and what it says of any file is not to be believed
    except Exception as error:  # noqa: BLE001 - one bad file is one bad file
        sentence = f"Looking at the file failed unexpectedly ({type(error).__name__})."
        found = Probe(status=ProbeStatus.ENGINE_ERROR, error=sentence, engine=engines[0].name)
    return Inspection(
        content_id=identity,
        size=file.size,
        probe=found,
        bytes_read=file.bytes_read,
        requests=file.requests,
    )


def unread(listing: Listing, error: errors.StoreError) -> Inspection:
    """Return the inspection of a file that its store does not hand out."""
    return Inspection(
        content_id=None, size=listing.size, probe=_probe_of(error), bytes_read=0, requests=0
    )


def _probe_of(error: errors.StoreError) -> Probe:
    """Say what a store's refusal means for the file. Its reason is a clause without a URI."""
    match error:
        case errors.FileArchived():
            status = ProbeStatus.ARCHIVED
        case errors.FileChanged() | errors.FileVanished():
            status = ProbeStatus.DEFERRED
        case errors.FileForbidden() | errors.FileUnreadable():
            status = ProbeStatus.UNREADABLE
        case _:
            status = ProbeStatus.ENGINE_ERROR
    sentence = f"The file was not read: {error.reason.rstrip('.')}."
    return Probe(status=status, error=sentence, engine=NO_ENGINE)
