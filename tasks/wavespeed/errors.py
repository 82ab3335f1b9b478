"""Why the provider did not do what was asked, as errors, and what a rejection says of the video.

The provider documents 400 for wrong parameters and names the field. Under the same status it and
what stands before it also say that they are busy, or that they could not reach the video.
"""

from __future__ import annotations

import re

from catalog.errors import AccountStopped, ProviderUnreadable, ReelcatError
from catalog.values import RefusalKind

_FOR_NOW = re.compile(
    r"\b(?:later|again|retry|temporar\w*|moment|busy|overload\w*|unavailable|capacity|maintenance"
    r"|time[ds]?.?out|too many|throttl\w*|rate.?limit\w*|quota|internal|server error|expired?"
    r"|try in)\b",
    re.IGNORECASE,
)
_OUT_OF_REACH = re.compile(
    r"\b(?:download\w*|fetch\w*|reach\w*|connect\w*|resolv\w*|access\w*|forbidden|denied"
    r"|not found|network|dns|host)\b",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"\b(?:field|parameter|invalid|must|missing|required|unsupported|not supported|not allowed"
    r"|malformed|corrupt\w*|too (?:long|short|large|big|small)|exceed\w*|duration|format|codec"
    r"|decod\w*|moderation|policy|content)\b",
    re.IGNORECASE,
)
_ABOUT_SIZE_OR_KIND = frozenset({413, 415})


def kind_of_rejection(status_code: int, message: str | None) -> RefusalKind:
    """Tell whose fault a 400 or its like is, by the provider's words.

    Only what is certainly about the video or the request is wrong for good: a mistake the other way
    costs one refused request a night, which is free and named.

    >>> kind_of_rejection(400, 'field "task" must be one of general, summary')
    <RefusalKind.ITEM: 'item'>
    >>> kind_of_rejection(400, "The model is busy, please try again later.")
    <RefusalKind.PACE: 'pace'>
    >>> kind_of_rejection(400, None)
    <RefusalKind.PLACE: 'place'>
    """
    words = message or ""
    if _FOR_NOW.search(words):
        return RefusalKind.PACE
    if status_code in _ABOUT_SIZE_OR_KIND:
        return RefusalKind.ITEM
    if _OUT_OF_REACH.search(words) or not _WRONG.search(words):
        return RefusalKind.PLACE
    return RefusalKind.ITEM


class UploadRefused(ReelcatError):
    """No permission to upload a file.

    `kind` says what it means: `ITEM` this file, for good; `PLACE` this file, for now; `PACE` later;
    `NOT_SENT` no try brought an answer, or only that there is no room now (quota, rate), so the
    next file fares no better; `ACCOUNT` no file at all.
    """

    def __init__(
        self, reason: str, *, kind: RefusalKind, retry_after_seconds: float | None = None
    ) -> None:
        self.reason = reason
        self.kind = kind
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"The provider does not take this upload: {reason}")


class EndpointAbsent(ProviderUnreadable):
    """The provider has no such endpoint."""


class RequestRejected(ProviderUnreadable):
    """The provider understood the question and refuses it; asking again changes nothing."""

    def __init__(self, reason: str, *, status_code: int) -> None:
        self.reason = reason
        self.status_code = status_code
        super().__init__(reason)

    @property
    def kind(self) -> RefusalKind:
        """What it means where the question was about one file."""
        return kind_of_rejection(self.status_code, self.reason)


class Troubled(Exception):
    """A passing trouble of a read: the same question may be answered in a moment."""

    def __init__(self, reason: str, *, retry_after_seconds: float | None = None) -> None:
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        super().__init__(reason)


def stopped(status_code: int, said: str | None) -> AccountStopped:
    """What to tell a person whose key, permission or credit the provider refuses."""
    detail = f" It said: {said}" if said else ""
    match status_code:
        case 401:
            sentence = (
                "The provider does not accept this API key. Check WAVESPEED_API_KEY; a key made "
                "before the account's first top-up does not work."
            )
        case 403:
            sentence = (
                "The provider does not allow this. Check the key's role and the account's state on "
                "the provider's site."
            )
        case 404:
            sentence = (
                "The provider does not know this model. Check the model's name and "
                "WAVESPEED_BASE_URL."
            )
        case _:
            sentence = "The account is out of credit. Top it up, then run again."
    return AccountStopped(sentence + detail)
