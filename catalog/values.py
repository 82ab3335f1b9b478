"""The plain values of the catalog: frozen records, enums, and the clock.

They have no behaviour beyond reading themselves, and can be made in a test without a database.
`utc_now` and `uptime` are the one place that asks what time it is; everything else is told.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, NamedTuple

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Give the present, aware, in UTC."""
    return datetime.now(UTC)


def uptime() -> float:
    """Give seconds that only run forward, and also while the machine sleeps where it tells."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class AnalysisType(enum.StrEnum):
    """The provider's analysis types."""

    GENERAL = "general"
    SUMMARY = "summary"
    ANALYSIS = "analysis"
    COUNTING = "counting"
    SCENE_DESCRIPTION = "scene_description"


DEFAULT_TASKS = (AnalysisType.SUMMARY, AnalysisType.SCENE_DESCRIPTION)


class SourceKind(enum.StrEnum):
    """What a source is, and so which store lists it."""

    FOLDER = "folder"
    FILE = "file"
    BUCKET = "bucket"
    MANIFEST = "manifest"


class ProbeStatus(enum.StrEnum):
    """What probing found. Only `ok` can be analysed; none of the others ends a run."""

    OK = "ok"
    NO_VIDEO = "no_video"  # opens, but holds no moving picture (audio, cover art, a still)
    TRUNCATED = "truncated"  # the header promises more than the file holds
    UNREADABLE = "unreadable"  # no demuxer makes sense of it, or it cannot be opened
    ENCRYPTED = "encrypted"
    ARCHIVED = "archived"  # an S3 storage class that must be restored first
    DEFERRED = "deferred"  # still being written; looked at again next time
    TOO_LARGE = "too_large"  # a picture too large to decode safely
    ENGINE_ERROR = "engine_error"  # the probing engine itself failed; tried again next time


class DurationSource(enum.StrEnum):
    """Where a duration was read; a header only claims it."""

    HEADER = "header"
    TAIL = "tail"  # the last seconds were read
    SCAN = "scan"  # every packet was read
    NONE = "none"


class AnalysisStatus(enum.StrEnum):
    """How far one thing that should be known has come."""

    WANTED = "wanted"  # to be had; no live prediction
    PENDING = "pending"  # a live prediction works on it
    UNCERTAIN = "uncertain"  # a submission's answer was lost; waits for reconcile
    COMPLETED = "completed"
    FAILED = "failed"  # not tried again unless asked


class PredictionStatus(enum.StrEnum):
    """The life of one paid attempt; `catalog.lifecycle` says which moves are legal."""

    HELD = "held"  # money is set aside, nothing was sent
    SUBMITTING = "submitting"  # the intent is durable; the POST may be on its way
    UNCERTAIN = "uncertain"  # the POST's outcome is unknown; counts as spent
    RUNNING = "running"  # accepted; the provider works on it
    COMPLETED = "completed"  # the answer is in the catalog
    FAILED = "failed"  # accepted, then ended without an answer
    EXPIRED = "expired"  # the provider forgot it before it was collected
    RELEASED = "released"  # never accepted; the money is free again


class LedgerKind(enum.StrEnum):
    """Why committed money changed. Amounts are signed micro-dollars of that change."""

    HOLD = "hold"  # + the quote, before the POST
    RELEASE = "release"  # - the hold
    CHARGE = "charge"  # + what was paid
    REFUND = "refund"  # - what the provider gave back
    ADJUSTMENT = "adjustment"  # +/- bill minus what had been booked as charged


class Order(enum.StrEnum):
    """In which order videos are analysed, and so which ones a budget reaches."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SHORTEST = "shortest"
    LONGEST = "longest"
    PATH = "path"


class RunStatus(enum.StrEnum):
    """How a run ended, as `--json` says it."""

    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    BUDGET_REACHED = "budget_reached"
    ACCOUNT_STOPPED = "account_stopped"
    INTERRUPTED = "interrupted"


class Listing(NamedTuple):
    """One file as a source lists it, before anything of it is read.

    A tuple, because a million of them are made to find that nothing has changed.
    """

    uri: str
    #: Name for people and for globs: the path below the source, `/`-separated.
    name: str
    size: int
    #: Modification time in nanoseconds since the epoch (S3: LastModified).
    mtime_ns: int
    #: Opaque; None for local files.
    etag: str | None = None
    version: str | None = None
    #: S3 storage class; None where there is none.
    storage_class: str | None = None
    #: URI of the local folder that it was found below, which no link may lead out of when it is
    #: opened. Said by the catalog; None for what was named itself or lies elsewhere.
    root: str | None = None
    #: What its bytes were seen to be. Said by the catalog of what is to be read again.
    content_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoAccess:
    """What the catalog knows of where a video can be read."""

    #: Where it was seen; None if it lies nowhere any more.
    listing: Listing | None
    #: Where it was uploaded earlier, and until when it is kept there.
    kept: tuple[str, datetime] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListingProblem:
    """A part of a source that could not be listed. What lies below it is not called missing."""

    uri: str
    reason: str
    #: It is a link that leads out of the source and was not followed: left out, but no failure.
    leads_out: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """How a field of `Probe` is kept, shown and exported; `catalog.measures` does all of it."""

    #: What it is, for docs/json.md.
    doc: str
    _: KW_ONLY
    #: Its column and its key in JSON; empty where that is the field's own name.
    name: str = ""
    #: The most characters of a text; None for no limit.
    most: int | None = None
    #: Whether databases find and sort videos by it.
    indexed: bool = False
    #: Whether `reelcat export` has it.
    exported: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """What a video's bytes say of themselves. None means unknown, never zero.

    A field that is added here is a column that needs a migration, and is shown and exported.
    """

    status: Annotated[
        ProbeStatus,
        Measure("whether it can be described", name="probe_status", exported=False),
    ]
    #: One clear sentence when the status is not ok.
    error: Annotated[
        str | None,
        Measure("why it cannot be described; null if it can", name="probe_error"),
    ] = None
    #: Name and version of the engine that spoke, e.g. `pyav 18.1.0 (libavformat 62.3.100)`.
    engine: Annotated[
        str,
        Measure("what measured it", name="probe_engine", most=128, exported=False),
    ]
    container: Annotated[str | None, Measure("as FFmpeg names it", most=64)] = None
    #: Larger of container and stream durations.
    duration_seconds: Annotated[Decimal | None, Measure("length", indexed=True)] = None
    duration_source: Annotated[
        DurationSource, Measure("where the length was read", exported=False)
    ] = DurationSource.NONE
    video_codec: Annotated[str | None, Measure("as FFmpeg names it", most=64)] = None
    audio_codec: Annotated[str | None, Measure("null without sound", most=64)] = None
    #: As displayed, after rotation.
    width: Annotated[int | None, Measure("pixels, turned as a player shows it")] = None
    height: Annotated[int | None, Measure("pixels")] = None
    #: Clockwise degrees, one of 0, 90, 180, 270.
    rotation: Annotated[int | None, Measure("clockwise degrees", exported=False)] = None
    fps: Annotated[Decimal | None, Measure("frames a second")] = None
    has_audio: Annotated[bool | None, Measure("whether it has sound", exported=False)] = None
    #: UTC.
    recorded_at: Annotated[datetime | None, Measure("when it was recorded", exported=False)] = None
    tags: Annotated[dict[str, str], Measure("what its tags say", exported=False)] = field(
        default_factory=dict
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """One look at a location: which content lies there and what it measures."""

    #: None when the bytes could not be read at all.
    content_id: str | None
    size: int
    probe: Probe
    #: Bytes read from the store for it.
    bytes_read: int
    #: Requests sent to the store for it (0 for local files).
    requests: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The provider took the submission; it will be billed."""

    provider_id: str


class RefusalKind(enum.StrEnum):
    """What a refusal means for the analysis and for the rest of the run."""

    ITEM = "item"  # this video or request is wrong, for good; the next one may be fine
    PLACE = "place"  # where it lies, or this machine, is at fault: the next run tries again
    PACE = "pace"  # 429, 503: the same request later, with a new intent
    ACCOUNT = "account"  # key, permission or credit: stop submitting
    NOT_SENT = "not_sent"  # no connection was made

    @property
    def concerns_others(self) -> bool:
        """Whether other requests would be refused, too."""
        return self not in {RefusalKind.ITEM, RefusalKind.PLACE}


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """Certainly not accepted, so nothing is owed."""

    kind: RefusalKind
    reason: str
    status_code: int | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Uncertain:
    """The request may have been accepted: the money stays held and nothing is sent again.

    An answer that refuses without proof that the provider wrote it has the last three fields: they
    mean for the rest of the run what they mean in `Refused`.
    """

    reason: str
    kind: RefusalKind | None = None
    status_code: int | None = None
    retry_after_seconds: float | None = None


SubmitOutcome = Accepted | Refused | Uncertain


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """Not finished, or no usable answer to the poll; look again later."""

    #: Set when the answer was not an ordinary `created` or `processing`.
    trouble: str | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """The answer."""

    text: str
    #: The outputs as JSON text, as they came.
    raw: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """Ended without an answer. Whether it is billed, billing says."""

    reason: str
    #: The provider's task code; None if it gave none.
    code: int | None = None
    retryable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Gone:
    """The provider does not know the id (404): too new to be seen, or forgotten."""


#: What ends the polling of a prediction.
Ended = Completed | Failed | Gone
PollOutcome = Pending | Ended


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedPrediction:
    """One row of the account's history; may be somebody else's."""

    provider_id: str
    status: str
    created_at: datetime | None
    #: The input video URL if the list echoes inputs, else None. May be signed: never stored.
    video_url: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class BillingRow:
    """One line of the provider's bill, whether or not it can be read."""

    #: What tells it from every other line.
    uuid: str
    #: None where it names no prediction, so that nobody knows whose it is.
    provider_id: str | None
    #: `deduct` or `refund`; other words, and none, are nobody's convention.
    kind: str
    #: Never negative: `kind` says the direction. None when the provider's unit cannot be told,
    #: which is neither zero nor the absence of a charge.
    amount_micros: int | None
    created_at: datetime | None
    #: Whether the provider wrote it with a minus sign.
    is_negative: bool = False
    #: What it says, for people; without secrets.
    words: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadTicket:
    """Permission to PUT one file, and where the provider will read it."""

    put_url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    download_url: str = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderQuote:
    """What the provider itself would charge."""

    price_micros: int
