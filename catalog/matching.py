"""Video addresses that can be told apart in the provider's history.

A submission whose answer was lost is found again by its video URL, so each one's URL carries a
token of its own. A query that is there already may be signed and is never touched: the token then
goes into the fragment.

A token also says what it was for: it holds a digest of the analysis's identity. So a catalog that
never sent it, such as one that was restored from a backup, can tell what was bought.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog.values import ListedPrediction

_NAME = "reelcat"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: `x-reelcat` is the same token inside a presigned S3 query, where it is signed with the rest.
_TOKEN_PARAMETER = re.compile(r"(?:^|&)(?:x-)?reelcat=([A-Za-z0-9_-]{1,64})(?=&|$)")

#: The version of `identity_digest` comes first: another one says nothing to us.
_OURS = re.compile(r"v1-([0-9a-f]{24})-[A-Za-z0-9_-]{1,36}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What makes two analyses the same one, in whichever catalog they are."""

    content_id: str
    model: str
    task: str
    #: As `catalog.analyses.AnalysisSpec.instructions_hash` says them.
    instructions_hash: str
    window: str


def identity_digest(identity: Identity) -> str:
    """Give 24 hex digits that stand for an analysis in each of its tokens.

    Whoever adds to the identity of an analysis gives the digest, and so the tokens, a new version.
    """
    parts = [
        identity.content_id,
        identity.model,
        identity.task,
        identity.instructions_hash,
        identity.window,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def new_token(digest: str, unique: str) -> str:
    """Make the token of one prediction; no other one has `unique`, 1 to 36 of `A-Z a-z 0-9 _ -`.

    >>> new_token(24 * "a", 32 * "0")
    'v1-aaaaaaaaaaaaaaaaaaaaaaaa-00000000000000000000000000000000'
    """
    token = f"v1-{digest}-{unique}"
    if _OURS.fullmatch(token) is None:
        raise BadToken("A token is made of 24 hex digits and up to 36 letters, digits, _ or -.")
    return token


def digest_in(token: str) -> str | None:
    """Give the digest of the analysis that a token was made for; None if it does not say."""
    found = _OURS.fullmatch(token)
    return None if found is None else found[1]


class BadToken(ValueError):
    """A token that would not survive in a URL: a bug of the caller."""


def with_token(url: str, token: str) -> str:
    """The same video under an address that no other submission has.

    Bytes of the URL before the token stay as they are, so a signature stays valid. Raises
    `BadToken` unless the token is 1 to 64 of `A-Z a-z 0-9 _ -`.

    >>> with_token("https://host/a.mp4", "t1")
    'https://host/a.mp4?reelcat=t1'
    >>> with_token("https://host/a.mp4?X-Amz-Signature=00", "t1")
    'https://host/a.mp4?X-Amz-Signature=00#reelcat=t1'
    """
    if not _TOKEN.fullmatch(token):
        raise BadToken("A token is 1 to 64 letters, digits, _ or -.")
    address, _, fragment = url.partition("#")
    path, _, query = address.partition("?")
    kept = "&".join(part for part in fragment.split("&") if part and not _is_token(part))
    if not query:
        return f"{path}?{_NAME}={token}" + (f"#{kept}" if kept else "")
    return f"{address}#" + (f"{kept}&" if kept else "") + f"{_NAME}={token}"


def token_of(url: str) -> str | None:
    """The token that was put into this address; None if there is none.

    Where several are found, the fragment's last one counts before the query's last one, which is
    the order in which `with_token` would have added them.
    """
    address, _, fragment = url.partition("#")
    _, _, query = address.partition("?")
    for part in (fragment, query):
        if found := _TOKEN_PARAMETER.findall(part):
            return str(found[-1])
    return None


def _is_token(parameter: str) -> bool:
    return _TOKEN_PARAMETER.fullmatch(parameter) is not None


#: How far the bounds of a submission may be off where the provider has not told its time.
_SKEW = timedelta(minutes=5)

#: An older intent is not sent: a process that slept for so long may have been taken for dead.
INTENT_LASTS = timedelta(seconds=60)

#: The provider lists the last 7 days; a little less, so that nothing is missed at the edge.
LIST_KEEPS = timedelta(days=6, hours=23)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """A submission whose answer never came. Times are the provider's."""

    prediction_id: int
    token: str
    #: When the intent became durable, or earlier: it was not sent before.
    submitted_at: datetime
    #: When its outcome became unknown, or later: it was not sent after.
    lost_at: datetime
    #: Which key it was sent with, as a digest; None if that was not written down.
    account: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopt:
    """The submission was accepted under this id."""

    prediction_id: int
    provider_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NeverAccepted:
    """The submission did not arrive; its money is free."""

    prediction_id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StillUncertain:
    """It cannot be told yet; the reason says what would tell."""

    prediction_id: int
    reason: str


Verdict = Adopt | NeverAccepted | StillUncertain


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A listed prediction that the catalog has."""

    token: str
    #: When its intent became durable, or earlier, in the provider's time; None if nobody knows.
    submitted_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What the provider's list says, and what is known about it."""

    listed: Sequence[ListedPrediction]
    #: By provider id, the listed predictions that the catalog has, seen after the list.
    known: Mapping[str, Known]
    #: Every submission without an answer, seen after the list; those being sent included.
    unanswered: Sequence[Lost]
    #: Whether the list was read to its end over the whole time in question.
    complete: bool
    #: Nobody but this catalog uses the account (a setting): a stray row can only be ours.
    exclusive: bool
    #: When those were submitted that the catalog knew before the list was read, and that are not
    #: in it: it lags behind.
    missing: Sequence[datetime] = ()
    #: Whose list it is, as a digest of the key that it was read with; None for nobody's.
    account: str | None = None


def judge(
    lost: Sequence[Lost], evidence: Evidence, *, settle_delay: timedelta, now: datetime
) -> list[Verdict]:
    """Decide about each lost submission.

    1. A row whose input URL carries the token is it.
    2. If no row could be it, and the same list has a witness, it never arrived. A witness is a
       prediction of ours that was sent after the lost one could have been: a list with the wrong
       filter, of another workspace or with a lag lacks the witness, too. That whatever was accepted
       appears within `settle_delay` of what was accepted later is the one assumption. What was
       sent with another key is in another list.
    3. A single row that could be it, and could be no other submission, is it if the account is
       ours alone.
    """
    by_token = {
        token: row.provider_id
        for row in evidence.listed
        if row.provider_id not in evidence.known
        and row.video_url is not None
        and (token := token_of(row.video_url))
    }
    strays = _strays(evidence)
    rivals = [
        one
        for one in {one.prediction_id: one for one in (*lost, *evidence.unanswered)}.values()
        if one.token not in by_token
    ]
    return [
        Adopt(prediction_id=one.prediction_id, provider_id=by_token[one.token])
        if one.token in by_token
        else _without_token(one, rivals, strays, evidence, settle_delay=settle_delay, now=now)
        for one in lost
    ]


def _strays(evidence: Evidence) -> list[ListedPrediction]:
    """Give the rows that are nobody's for certain.

    A row with another token is somebody's. A row with a URL but no token is a stranger's only if
    the list is seen to keep our tokens, every one of them; a provider may rewrite what it was sent.
    """
    ours = [
        token_of(row.video_url) == evidence.known[row.provider_id].token
        for row in evidence.listed
        if row.video_url is not None and row.provider_id in evidence.known
    ]
    keeps_tokens = bool(ours) and all(ours)
    return [
        row
        for row in evidence.listed
        if row.provider_id not in evidence.known
        and (row.video_url is None or (token_of(row.video_url) is None and not keeps_tokens))
    ]


def _without_token(
    submission: Lost,
    rivals: Sequence[Lost],
    strays: Sequence[ListedPrediction],
    evidence: Evidence,
    *,
    settle_delay: timedelta,
    now: datetime,
) -> Verdict:
    unready = _not_ready(submission, evidence, settle_delay=settle_delay, now=now)
    if unready is not None:
        return _wait(submission, unready)
    candidates = [row for row in strays if _could_be(row, submission)]
    if not candidates and not _has_witness(submission, evidence):
        return _wait(
            submission,
            "the provider's list shows nothing of ours that was accepted later; the next accepted "
            "prediction settles it",
        )
    if not candidates:
        return NeverAccepted(prediction_id=submission.prediction_id)
    if not evidence.exclusive:
        return _wait(
            submission, f"{len(candidates)} listed predictions without a known input could be it"
        )
    row = candidates[0]
    if len(candidates) == 1 and [one for one in rivals if _could_be(row, one)] == [submission]:
        return Adopt(prediction_id=submission.prediction_id, provider_id=row.provider_id)
    return _wait(submission, f"{len(candidates)} listed predictions could be it or another one")


def _not_ready(
    submission: Lost, evidence: Evidence, *, settle_delay: timedelta, now: datetime
) -> str | None:
    """Say why the list proves nothing about a submission that is not in it; None if it does."""
    if submission.account not in (None, evidence.account):
        return "it was sent with another API key, whose list alone can tell"
    if not evidence.complete:
        return "the provider's list could not be read to its end"
    if now - submission.submitted_at > LIST_KEEPS:
        return "it is older than the provider's list; a person has to decide"
    if now - submission.lost_at < settle_delay:
        return "it may still appear in the provider's list"
    if any(at <= max(submission.lost_at, now - settle_delay) for at in evidence.missing):
        return "the provider's list lags: it lacks others that were certainly accepted"
    return None


def _has_witness(submission: Lost, evidence: Evidence) -> bool:
    """Whether the list shows one of ours that was sent after the submission could have been.

    Both by our own order and by the provider's, so that neither clock alone decides.
    """
    return any(
        (known := evidence.known.get(row.provider_id)) is not None
        and known.submitted_at is not None
        and known.submitted_at > submission.lost_at
        and row.created_at is not None
        and row.created_at > submission.lost_at
        for row in evidence.listed
    )


def _could_be(row: ListedPrediction, submission: Lost) -> bool:
    """Whether a row began within the time in which the submission may have been sent."""
    return row.created_at is None or (
        submission.submitted_at - _SKEW <= row.created_at <= submission.lost_at + _SKEW
    )


def _wait(submission: Lost, reason: str) -> StillUncertain:
    return StillUncertain(prediction_id=submission.prediction_id, reason=reason)
