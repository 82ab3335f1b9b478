"""What a rejected request says of the video: wrong for good, or only for now.

The provider documents 400 for wrong parameters and names the field. Under the same status it and
what stands before it also say that they are busy, or that they could not reach the video.
"""

from __future__ import annotations

import re

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
