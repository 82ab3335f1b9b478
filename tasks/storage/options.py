"""How stores behave: plain records that can be handed to another process.

Credentials are not here: boto3 finds its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadCaps:
    """The most that reading one remote file may cost. None means no limit."""

    #: A file without an index needs one request per 2 MiB to find its end.
    max_requests: int | None = 1_000
    #: Object stores bill what leaves them; 256 MiB is about two cents at AWS.
    max_bytes: int | None = 256 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Options:
    """What boto3 is told; None leaves the choice to its own environment and files."""

    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    #: `auto` is `path` for any endpoint but AWS's own.
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    #: Agree to pay for requests to other people's buckets. Spends money, so never the default.
    requester_pays: bool = False
    connect_timeout_seconds: float = 10
    read_timeout_seconds: float = 30
    #: First try included.
    max_attempts: int = 5
    #: Most requests at once; threads beyond it wait for a connection.
    max_connections: int = 32
    #: Keys per listing request; S3 gives 1,000 at most.
    page_size: int = 1_000
    #: Ranges of a long listing that are asked for at once.
    listers: int = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What reading one object takes where there are no credentials. A secret, as any link is."""

    #: A signed address.
    link: str = field(repr=False)
    #: Certificates that the one who signed believes in; None for the usual ones.
    ca_bundle: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WebOptions:
    """How patient to be with web servers."""

    connect_timeout_seconds: float = 10
    read_timeout_seconds: float = 30
    #: One request with its redirects and its answer, at most 2 MiB, however it drips.
    request_seconds: float = 300
    #: First try included.
    max_attempts: int = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreOptions:
    """All of it."""

    caps: ReadCaps = field(default_factory=ReadCaps)
    s3: S3Options = field(default_factory=S3Options)
    web: WebOptions = field(default_factory=WebOptions)
    #: Follow links of this machine that lead out of the folder that they were found below.
    follow_links: bool = False
