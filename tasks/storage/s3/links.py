"""Links by which the provider fetches an object, and how long they can live.

A link is a secret that is made when it is sent: nothing here logs or keeps one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.storage.errors import LinkTooShort

#: The longest that a SigV4 link may live; S3 refuses longer ones only when they are used.
LONGEST_LIFE = timedelta(days=7)

#: A link must outlive the provider's queue; below this, credentials are too old to sign with.
SHORTEST_LIFE = timedelta(minutes=15)


def link_life(
    uri: str, *, wanted: timedelta, credentials_expire_at: datetime | None, now: datetime
) -> timedelta:
    """Decide how long a link lives: as wanted, but never beyond 7 days or its credentials.

    Raises:
        LinkTooShort: the credentials expire before the link could be of use.
    """
    life = min(wanted, LONGEST_LIFE)
    if credentials_expire_at is None:
        return life
    left = credentials_expire_at - now
    if left < min(life, SHORTEST_LIFE):
        raise LinkTooShort(uri, "the S3 credentials are about to expire; renew them, run again")
    return min(life, left)
