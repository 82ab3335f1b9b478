"""Uploads: tickets, the objects that were PUT under them, and where those lie on disk.

A ticket is good for one PUT of exactly the announced size. A video's address says which video is
meant, and which length a canned one claims.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

from tasks.sandbox.journal import Journal
from tasks.sandbox.options import SandboxOptions
from tasks.sandbox.wire import span

#: Query keys that sign an address or tell submissions apart, and so do not say which video it is.
_TOKENS = frozenset(
    {
        "awsaccesskeyid",
        "expires",
        "key-pair-id",
        "policy",
        "reelcat",
        "sig",
        "signature",
        "token",
        "x-reelcat",
    }
)
_TOKEN_PREFIXES = ("x-amz-", "x-goog-")


def _without_tokens(pairs: str) -> str:
    if not pairs:
        return ""
    kept = [
        (key, value)
        for key, value in parse_qsl(pairs, keep_blank_values=True)
        if key.lower() not in _TOKENS and not key.lower().startswith(_TOKEN_PREFIXES)
    ]
    return urlencode(kept)


def identity(url: str) -> str:
    """Give `url` without what signs it or tells submissions apart.

    >>> identity("https://h/a.mp4?X-Amz-Signature=1&v=2#reelcat=7")
    'https://h/a.mp4?v=2'
    """
    parts = urlsplit(url)
    # An account in the address is a secret as well.
    host = parts.netloc.rpartition("@")[2]
    query, fragment = _without_tokens(parts.query), _without_tokens(parts.fragment)
    return parts._replace(netloc=host, query=query, fragment=fragment).geturl()


def claimed_seconds(url: str) -> Decimal | None:
    """Read the length that a canned address claims; None if it claims none.

    >>> claimed_seconds("https://h/a.mp4#d=7.5&reelcat=1"), claimed_seconds("https://h/a.mp4")
    (Decimal('7.5'), None)
    """
    parts = urlsplit(url)
    for pairs in (parts.fragment, parts.query):
        claims = parse_qs(pairs).get("d", []) if "d=" in pairs else []
        for claim in claims:
            try:
                seconds = Decimal(claim)
            except InvalidOperation:
                continue
            if seconds.is_finite() and seconds > 0:
                return seconds
    return None


_MEDIA_PATH = re.compile(r"/storage/media/([0-9a-f]{32})(?:/[^/]*)?")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """Permission to PUT one object."""

    id: str
    filename: str
    size: int
    content_type: str
    expires_ns: int

    @property
    def path(self) -> str:
        """Give the path of its addresses below `/storage/upload` and `/storage/media`."""
        return f"{self.id}/{quote(self.filename, safe='')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """One stored object."""

    ticket: Ticket
    path: Path
    sha256: str
    stored_ns: int
    #: Its download address is to be 404.
    gone: bool


class Storage:
    """Everything that was uploaded."""

    def __init__(self, options: SandboxOptions, journal: Journal) -> None:
        self._options = options
        self._journal = journal
        self._secret = hashlib.sha256(b"storage:" + options.api_key.encode()).digest()
        self._tickets: dict[str, Ticket] = {}
        self._uploads: dict[str, Upload] = {}
        self._scratch: TemporaryDirectory[str] | None = None
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """Give the folder for objects: next to the state file, else one that goes with us."""
        if self._folder is None:
            if self._options.state is not None:
                self._folder = self._options.state.with_name(self._options.state.name + ".uploads")
                self._folder.mkdir(mode=0o700, exist_ok=True)
            else:
                self._scratch = TemporaryDirectory(prefix="reelcat-sandbox-")
                self._folder = Path(self._scratch.name)
        return self._folder

    def issue(self, ticket: Ticket) -> None:
        """Give out a ticket."""
        self._tickets[ticket.id] = ticket
        self._journal.write(
            "ticket",
            id=ticket.id,
            filename=ticket.filename,
            size=ticket.size,
            content_type=ticket.content_type,
            expires_ns=ticket.expires_ns,
        )

    def signature(self, ticket: Ticket) -> str:
        """Sign a ticket's address."""
        message = f"{ticket.id}:{ticket.expires_ns}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

    def ticket(self, id_: str, signature: str) -> Ticket | None:
        """Give the ticket if the signature is right."""
        ticket = self._tickets.get(id_)
        if ticket is None or not hmac.compare_digest(self.signature(ticket), signature):
            return None
        return ticket

    def holds(self, ticket: Ticket) -> bool:
        """Say whether the ticket's object is there."""
        return ticket.id in self._uploads

    def place(self, ticket: Ticket) -> Path:
        """Say where the ticket's object lies or is to lie."""
        suffix = Path(ticket.filename).suffix
        return self.folder / f"{ticket.id}{suffix if _SUFFIX.fullmatch(suffix) else ''}"

    def keep(self, upload: Upload) -> None:
        """Take in an object whose bytes are in place."""
        self._uploads[upload.ticket.id] = upload
        self._journal.write(
            "upload",
            id=upload.ticket.id,
            sha256=upload.sha256,
            stored_ns=upload.stored_ns,
            gone=upload.gone,
        )

    def get(self, id_: str, now_ns: int) -> Upload | None:
        """Give an object that can be read; None if it is unknown, gone or past its retention."""
        upload = self._uploads.get(id_)
        if upload is None or upload.gone:
            return None
        if now_ns >= upload.stored_ns + span(self._options.retention_seconds):
            upload.path.unlink(missing_ok=True)
            return None
        return upload

    def restore(self, event: dict[str, Any]) -> None:
        """Take one event of the state file back in."""
        if event["event"] == "ticket":
            values = {key: value for key, value in event.items() if key != "event"}
            self._tickets[event["id"]] = Ticket(**values)
        elif event["event"] == "upload":
            ticket = self._tickets[event["id"]]
            self._uploads[ticket.id] = Upload(
                ticket=ticket,
                path=self.place(ticket),
                sha256=event["sha256"],
                stored_ns=event["stored_ns"],
                gone=event["gone"],
            )

    def close(self) -> None:
        """Remove what was not to last."""
        if self._scratch is not None:
            self._scratch.cleanup()


def upload_id(url: str) -> str | None:
    """Give the id of the upload that a download address means; None for any other address."""
    match = _MEDIA_PATH.fullmatch(urlsplit(url).path)
    return match[1] if match else None
