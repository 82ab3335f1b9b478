"""Single objects: looking at them, reading them, and links by which the provider fetches them.

A link is a secret that is made when it is sent: nothing here logs or keeps one. A listing and a
HEAD agree on what S3 answers about an object.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import NoCredentialsError

from catalog.values import Listing
from tasks.foundation.untrusted_values import MOST_ETAG, MOST_INTEGER, nanoseconds_of, short
from tasks.storage.block_cache import BlockReader
from tasks.storage.errors import FileChanged, FileUnreadable, FileVanished, LinkTooShort
from tasks.storage.registry import PerProcess
from tasks.storage.s3.client import LINK, QUERY, S3Clients, following_client
from tasks.storage.s3.errors import S3_ERRORS, body_error, file_error
from tasks.storage.s3.read_limits import read_at_most
from tasks.storage.store import ARCHIVE_CLASSES, CountedReader, Grant, ReadCaps, StoreOptions
from tasks.storage.uris import split_s3

#: What the catalog keeps of them.
_MOST_VERSION, _MOST_CLASS = 1024, 64


def etag_in(answer: dict[str, Any]) -> str | None:
    """Return the ETag without its quotes; opaque, and no checksum of anything.

    None: the server named none, or one that is no ETag.
    """
    return short(str(answer.get("ETag", "")).strip('"') or None, MOST_ETAG)


def size_in(size: int) -> int:
    """Return a size as it was told; raises `ValueError` for one that no file has."""
    if not 0 <= size <= MOST_INTEGER:
        raise ValueError("no size of a file")
    return size


def version_in(answer: dict[str, Any]) -> str | None:
    """Return the version that an answer names; buckets without versions name none or `null`."""
    version: str | None = answer.get("VersionId")
    return None if version == "null" else short(version, _MOST_VERSION)


def nanoseconds(instant: datetime) -> int:
    """Return whole seconds since the epoch as nanoseconds; a HEAD knows no fractions."""
    return nanoseconds_of(instant)


def class_to_meet(storage_class: str | None, *, restored: bool) -> str | None:
    """Return the class that a reader meets: an archived object with a restored copy has none."""
    storage_class = short(storage_class, _MOST_CLASS)
    return None if restored and storage_class in ARCHIVE_CLASSES else storage_class


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


#: Longer than a file waits for a child, by much, because clocks differ.
_GRANTED_FOR = timedelta(hours=1)


class S3File(BlockReader):
    """One object, read by ranged GETs that insist on the ETag that was listed."""

    def __init__(
        self, uri: str, client: Any, request: dict[str, Any], *, size: int, caps: ReadCaps
    ) -> None:
        super().__init__(uri, size=size, caps=caps)
        self._client = client
        self._request = request

    def fetch(self, start: int, stop: int) -> bytes:
        """Send one GET; boto3's own retries are counted."""
        self.requests += 1
        try:
            answer = self._client.get_object(**self._request, Range=f"bytes={start}-{stop - 1}")
        except S3_ERRORS as error:
            raise file_error(self.uri, error) from error
        self.requests += answer["ResponseMetadata"].get("RetryAttempts", 0)
        self.version = version_in(answer)
        with answer["Body"] as body:
            self._require_what_was_asked(answer, stop - start)
            try:
                data = read_at_most(body, stop - start)
            except S3_ERRORS as error:
                raise body_error(self.uri, error) from error
        if data is None:
            raise FileUnreadable(self.uri, "the S3 endpoint sends more than was asked; check it")
        return data

    def _require_what_was_asked(self, answer: dict[str, Any], length: int) -> None:
        """Refuse the bytes of another object, and a whole one where a part was asked for."""
        named = answer.get("ContentRange")
        if named is not None and named.rpartition("/")[2] != str(self.size):
            raise FileChanged(self.uri)
        if named is None and answer.get("ContentLength") != self.size:
            raise FileChanged(self.uri)
        if named is None and length != self.size:
            raise FileUnreadable(
                self.uri,
                "the S3 endpoint sends whole objects and no parts of them; put it behind one that "
                "answers ranges, or copy the file into a folder",
            )


class S3Reader:
    """`s3://` URIs."""

    def __init__(self, clients: PerProcess[S3Clients], options: StoreOptions) -> None:
        self._clients = clients
        self._options = options

    def open(
        self,
        uri: str,
        *,
        size: int,
        etag: str | None = None,
        version: str | None = None,
        root: str | None = None,
    ) -> CountedReader:
        """Open an object; no request is sent before the first read."""
        del root
        request = self._request(uri, version)
        if etag is not None:
            request["IfMatch"] = f'"{etag}"'
        return S3File(uri, self._client(uri), request, size=size, caps=self._options.caps)

    def look(self, uri: str) -> Listing | None:
        """HEAD the object."""
        try:
            answer = self._client(uri).head_object(**self._request(uri, None))
            return _seen(uri, answer)
        except S3_ERRORS as error:
            reason = file_error(uri, error)
            if isinstance(reason, FileVanished):
                return None
            raise reason from error

    def provider_url(
        self, uri: str, *, version: str | None, token: str, expires_in: timedelta
    ) -> str | None:
        """Sign a GET, now; the token is part of what is signed."""
        try:
            credentials = self._credentials(good_for=min(expires_in, LONGEST_LIFE))
            life = link_life(
                uri,
                wanted=expires_in,
                # botocore keeps the moment to itself and offers no other way to ask.
                credentials_expire_at=getattr(credentials, "_expiry_time", None),
                now=datetime.now(UTC),
            )
            return self._signed(uri, version, life, {"x-reelcat": token})
        except S3_ERRORS as error:
            raise file_error(uri, error) from error

    def grant(self, uri: str, *, version: str | None) -> Grant:
        """Sign a GET for a process of ours that has no credentials; as long as they last."""
        try:
            self._credentials(good_for=SHORTEST_LIFE)
            link = self._signed(uri, version, _GRANTED_FOR, {})
            return Grant(link=link, ca_bundle=self._clients.get().ca_bundle())
        except S3_ERRORS as error:
            raise file_error(uri, error) from error

    def _credentials(self, *, good_for: timedelta) -> Any:
        credentials = self._clients.get().credentials(good_for=good_for)
        if credentials is None:
            raise NoCredentialsError
        return credentials

    def _signed(self, uri: str, version: str | None, life: timedelta, query: dict[str, str]) -> str:
        bucket, _ = split_s3(uri)
        url: str = (
            self._clients.get()
            .signing(bucket)
            .generate_presigned_url(
                "get_object",
                Params={**_object(uri, version), QUERY: self._link_query(query)},
                ExpiresIn=int(life.total_seconds()),
            )
        )
        return url

    def local_path(self, uri: str) -> Path | None:
        """None: it is in a bucket."""
        del uri
        return None

    def _client(self, uri: str) -> Any:
        try:
            return self._clients.get().main
        except S3_ERRORS as error:
            raise file_error(uri, error) from error

    def _request(self, uri: str, version: str | None) -> dict[str, Any]:
        payer = {"RequestPayer": "requester"} if self._options.s3.requester_pays else {}
        return {**_object(uri, version), **payer}

    def _link_query(self, query: dict[str, str]) -> dict[str, str]:
        """Return what a link carries besides its signature.

        boto3 would sign the consent to pay as a header, which nobody who follows a link sends.
        """
        payer = {"x-amz-request-payer": "requester"} if self._options.s3.requester_pays else {}
        return {**query, **payer}


class GrantedOpener:
    """Opens one object by a link, in a process that has no credentials."""

    def __init__(self, grant: Grant, options: StoreOptions) -> None:
        self._grant = grant
        self._options = options

    def open(
        self,
        uri: str,
        *,
        size: int,
        etag: str | None = None,
        version: str | None = None,
        root: str | None = None,
    ) -> CountedReader:
        """Open the object that the link leads to; no request is sent before the first read."""
        del version, root  # the link has the one, and buckets have no links
        request = {**_object(uri, None), LINK: self._grant.link}
        if etag is not None:
            request["IfMatch"] = f'"{etag}"'
        client = following_client(self._options.s3, self._grant.ca_bundle)
        return S3File(uri, client, request, size=size, caps=self._options.caps)

    def local_path(self, uri: str) -> Path | None:
        """None: it is in a bucket."""
        del uri
        return None


def _seen(uri: str, answer: dict[str, Any]) -> Listing:
    return Listing(
        uri=uri,
        name=split_s3(uri)[1].rpartition("/")[2],
        size=size_in(answer["ContentLength"]),
        mtime_ns=nanoseconds(answer["LastModified"]),
        etag=etag_in(answer),
        version=version_in(answer),
        storage_class=class_to_meet(
            # Intelligent-Tiering hides its archive behind its own name.
            "GLACIER" if answer.get("ArchiveStatus") else answer.get("StorageClass"),
            restored='ongoing-request="false"' in answer.get("Restore", ""),
        ),
    )


def _object(uri: str, version: str | None) -> dict[str, Any]:
    bucket, key = split_s3(uri)
    return {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
