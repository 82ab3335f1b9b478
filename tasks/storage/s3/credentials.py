"""Whether there are credentials for buckets, as far as can be told without asking a network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import botocore.session
from botocore.exceptions import BotoCoreError

#: Ask an address of the machine's surroundings, which outside a cloud takes seconds to not answer.
_ASK_AROUND = ("container-role", "iam-role")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Credentials that are there."""

    #: The place of boto3's chain that has them, such as `env`.
    method: str
    #: None for those that last until somebody takes them back.
    expires_at: datetime | None


def find() -> Found | None:
    """Look along boto3's chain; None if there are no credentials."""
    session = botocore.session.Session()
    chain = session.get_component("credential_provider")
    for name in _ASK_AROUND:
        chain.remove(name)
    try:
        found = chain.load_credentials()
    except BotoCoreError:
        return None
    if found is None:
        return None
    return Found(
        method=str(found.method),
        # botocore keeps the moment to itself and offers no other way to ask.
        expires_at=getattr(found, "_expiry_time", None),
    )
