"""How speaking to the provider can end without an answer.

ReelcatError
├── AccountStopped          (catalog) key, permission or credit: nothing else will work either
├── UploadRefused           no permission to upload this file
└── ProviderUnreadable      (catalog) no usable answer, after all tries
    ├── EndpointAbsent          the provider has no such endpoint
    └── RequestRejected         the provider does not like this question

`Troubled` is not in the tree: it is a passing trouble, stays inside this package, and becomes
`ProviderUnreadable` when tries run out. Submitting and polling raise none of these for what the
network or a gateway did: there an answer that is not one is itself an outcome.
"""

from __future__ import annotations

from catalog.errors import AccountStopped, ProviderUnreadable, ReelcatError
from catalog.values import RefusalKind
from tasks.wavespeed.rejections import kind_of_rejection


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
