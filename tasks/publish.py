"""Address: give the provider somewhere to read a video from.

An object in a bucket gets a link, signed now; a local file is uploaded, once for all its tasks; the
sandbox in this process reads local files itself. The file is looked at again first: what was probed
is what is described. Of a local file nothing is sent before what was opened was seen to be the
content that was probed, and it is sent from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from weakref import WeakValueDictionary

from sqlalchemy.orm import Session

from catalog import locations, uploads
from catalog.errors import ReelcatError
from catalog.matching import with_token
from catalog.planning import Candidate
from catalog.values import Listing, RefusalKind, Refused, VideoAccess
from tasks.media.fingerprint import content_id
from tasks.runtime.services import Services
from tasks.storage.errors import (
    FileChanged,
    FileVanished,
    LinkTooShort,
    StoreError,
    StoreUnreachable,
)
from tasks.storage.local import LocalFile
from tasks.storage.store import ARCHIVE_CLASSES, has_changed
from tasks.wavespeed.errors import UploadRefused
from tasks.wavespeed.uploads import NotStored, PerhapsStored, Stored

#: "Uploads: 7 days"; a day less leaves the provider's queue its time.
UPLOAD_KEPT_FOR = timedelta(days=6)


class CannotAddress(ReelcatError):
    """The provider cannot be given this video; `refusal` says what that means for the run."""

    def __init__(self, refusal: Refused) -> None:
        self.refusal = refusal
        super().__init__(refusal.reason)


class _OtherContent(ReelcatError):
    """A file of the same size and time holds something else than was probed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """Where a video lies, and how the provider gets at it."""

    listing: Listing
    #: None if it does not lie on this machine.
    path: Path | None
    #: For the provider; a secret. None if the file is to be uploaded.
    link: str | None = field(repr=False)
    kept: tuple[str, datetime] | None


@dataclass(kw_only=True, slots=True)
class Addresses:
    """The uploads of one run, so that each video is sent once however many tasks it has."""

    services: Services
    #: By video, as long as somebody holds or awaits it.
    _locks: WeakValueDictionary[int, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _uploaded: dict[int, tuple[str, datetime]] = field(default_factory=dict)

    async def places(self, jobs: Sequence[Candidate]) -> Mapping[int, VideoAccess]:
        """Ask the catalog where the videos of many jobs lie; gives it by video."""
        return await self.services.read(self._places, jobs)

    async def of(self, job: Candidate, token: str, place: VideoAccess | None = None) -> str:
        """Give the address of a job's video, unique to `token`.

        `place` is what `places` said of it, None to ask now.

        Raises:
            CannotAddress: with what that means for the analysis.
        """
        try:
            found = await asyncio.to_thread(self._find, job, token, place)
        except StoreUnreachable as error:
            raise CannotAddress(_later(error.reason)) from error
        except LinkTooShort as error:
            raise CannotAddress(_stop(str(error))) from error
        except StoreError as error:
            raise CannotAddress(_next_time(error.reason)) from error
        if found.link is not None:
            return found.link
        if found.path is None:
            raise CannotAddress(_next_time("It can neither be linked to nor uploaded."))
        return with_token(await self._upload(job.left.video_id, found, found.path), token)

    def forget(self, video_id: int) -> None:
        """Upload a video anew next time: the provider could not read it where it was."""
        self._uploaded.pop(video_id, None)

    def _places(self, session: Session, jobs: Sequence[Candidate]) -> Mapping[int, VideoAccess]:
        prefer = {job.left.video_id: job.left.uri for job in jobs}
        listings = locations.places_to_read(session, prefer)
        kept = uploads.find(session, prefer, self.services.provider.endpoint)
        return {
            video_id: VideoAccess(listing=listings.get(video_id), kept=kept.get(video_id))
            for video_id in prefer
        }

    def _find(self, job: Candidate, token: str, place: VideoAccess | None) -> _Found:
        """Look at the file again: it must be the one that was probed.

        What the catalog said a while ago may have changed since; then it is asked anew.
        """
        while True:
            known = place or self._place_now(job)
            try:
                return self._look(known, token)
            except CannotAddress:
                if place is None:
                    raise
                place = None

    def _place_now(self, job: Candidate) -> VideoAccess:
        with self.services.catalog.read() as session:
            return self._places(session, [job])[job.left.video_id]

    def _look(self, place: VideoAccess, token: str) -> _Found:
        provider, listing = self.services.provider, place.listing
        if listing is None:
            raise CannotAddress(_next_time("It no longer lies where it was seen; run again."))
        reader = self.services.stores.reader(listing.uri)
        path = reader.local_path(listing.uri)
        if path is not None:
            with self._open(listing):
                follow = self.services.stores.options.follow_links
                here = _for_this_process(listing._replace(root=None) if follow else listing, token)
            link = here if provider.offline else None
            return _Found(listing=listing, path=path, link=link, kept=place.kept)
        seen = reader.look(listing.uri)
        if seen is None or has_changed(listing, seen):
            raise CannotAddress(_changed())
        if seen.storage_class in ARCHIVE_CLASSES:
            raise CannotAddress(
                _next_time(f"It was archived ({seen.storage_class}); restore it, then run again.")
            )
        address = reader.provider_url(
            listing.uri, version=seen.version, token=token, expires_in=provider.link_lasts
        )
        return _Found(listing=listing, path=None, link=address, kept=place.kept)

    def _open(self, listing: Listing) -> LocalFile:
        """Open a local file as it was listed."""
        reader = self.services.stores.local_reader()
        try:
            file = reader.open(listing.uri, size=listing.size, root=listing.root)
        except (FileChanged, FileVanished) as error:
            raise CannotAddress(_changed()) from error
        if file.stamp.mtime_ns == listing.mtime_ns:
            return file
        file.close()
        raise CannotAddress(_changed())

    def _open_content(self, listing: Listing) -> LocalFile:
        """Open a local file to be sent, once it is seen to hold what was probed."""
        file = self._open(listing)
        with ExitStack() as opened:
            opened.enter_context(file)
            if content_id(file, file.size) != listing.content_id:
                raise _OtherContent(listing.uri)
            opened.pop_all()
        return file

    async def _upload(self, video_id: int, found: _Found, path: Path) -> str:
        async with self._locks.setdefault(video_id, asyncio.Lock()):
            now = self.services.clock()
            kept = self._uploaded.get(video_id) or found.kept
            if kept is not None and kept[1] > now:
                return kept[0]
            url = await self._send(found.listing, path)
            expires_at = now + UPLOAD_KEPT_FOR
            self._uploaded[video_id] = (url, expires_at)
            if not urlsplit(url).query:  # a signed address is a secret and is not kept
                await self.services.write(
                    uploads.remember,
                    video_id=video_id,
                    endpoint=self.services.provider.endpoint,
                    download_url=url,
                    expires_at=expires_at,
                )
            return url

    async def _send(self, listing: Listing, path: Path) -> str:
        client, size = self.services.provider.client, listing.size
        try:
            ticket = await client.ticket(filename=path.name, size=size, content_type=None)
        except UploadRefused as error:
            raise CannotAddress(Refused(kind=error.kind, reason=str(error))) from error
        try:
            outcome = await client.put(ticket, partial(self._open_content, listing), size=size)
        except _OtherContent as error:
            # Its size and time are as they were: no listing would notice.
            await self.services.write(locations.look_again, listing=listing)
            raise CannotAddress(_changed()) from error
        match outcome:
            case Stored():
                return ticket.download_url
            case NotStored(kind=kind, reason=reason):
                raise CannotAddress(Refused(kind=kind, reason=reason))
            case PerhapsStored(reason=reason):
                raise CannotAddress(_later(reason))


def _for_this_process(listing: Listing, token: str) -> str:
    """Give an address that says to the sandbox in this process what it is to find there."""
    told = {"content": listing.content_id, "root": listing.root}
    fragment = urlencode({key: value for key, value in told.items() if value is not None})
    return with_token(f"{listing.uri}#{fragment}", token)


def _changed() -> Refused:
    return _next_time("The file changed or went away since it was looked at; run again.")


def _next_time(reason: str) -> Refused:
    """The place is at fault, not the video: it may be mended by the next run."""
    return Refused(kind=RefusalKind.PLACE, reason=reason)


def _later(reason: str) -> Refused:
    return Refused(kind=RefusalKind.PACE, reason=reason)


def _stop(reason: str) -> Refused:
    return Refused(kind=RefusalKind.ACCOUNT, reason=reason)
