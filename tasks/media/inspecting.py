"""One look at a location: which content lies there and what it measures, in one opening.

The outermost place where one bad file stays one bad file: whatever happens becomes an Inspection
with its reason.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from catalog.values import Inspection, Listing, Probe, ProbeStatus
from tasks.media.engines import NO_ENGINE, Engine, Media
from tasks.media.fingerprint import FileShrank, content_id
from tasks.media.probing import probe
from tasks.media.tags import Whereabouts
from tasks.storage import errors
from tasks.storage.store import CountedReader, Opener


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
