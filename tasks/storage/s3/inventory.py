"""S3 Inventory: a bucket's objects as Amazon wrote them down, instead of a listing.

An inventory is a manifest.json that names files of rows, gzipped CSV or Parquet, and which columns
they have. Rows of versions that are not the latest and of delete markers are passed over. A file is
checked against the sum that the manifest has for it.

An inventory is a text that whoever may write into its bucket can change. So it is read from the
bucket that the user named alone, and names objects of one bucket alone: that one, or the one whose
name stands in the address of the manifest, where Amazon puts it.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, TextIO, cast
from urllib.parse import unquote_plus

from catalog.errors import SourceError
from catalog.values import Listing, ListingProblem
from tasks.foundation.untrusted_values import integer_in, read_json, storable, time_in
from tasks.storage.manifest import BoundedLines
from tasks.storage.registry import PerProcess
from tasks.storage.s3 import read_limits
from tasks.storage.s3.client import S3Clients
from tasks.storage.s3.errors import S3_ERRORS, body_error, reason_of, source_error
from tasks.storage.s3.objects import class_to_meet, etag_in, nanoseconds
from tasks.storage.source import is_candidate
from tasks.storage.store import S3Options
from tasks.storage.uris import s3_uri, split_s3

#: What a row must have, as Amazon spells it in a CSV's schema; the first two are always there.
_NEEDED = ("Bucket", "Key", "Size", "LastModifiedDate", "ETag")

#: Parquet has names of its own for the same columns.
_PARQUET_NAMES = {
    "bucket": "Bucket",
    "key": "Key",
    "version_id": "VersionId",
    "is_latest": "IsLatest",
    "is_delete_marker": "IsDeleteMarker",
    "size": "Size",
    "last_modified_date": "LastModifiedDate",
    "e_tag": "ETag",
    "storage_class": "StorageClass",
    "intelligent_tiering_access_tier": "IntelligentTieringAccessTier",
}

#: Intelligent-Tiering hides its archive behind its own name.
_ARCHIVE_TIERS = {"ARCHIVE": "GLACIER", "DEEP_ARCHIVE": "DEEP_ARCHIVE"}

#: A manifest names files, each of them once; a file holds some millions of rows.
_MOST_MANIFEST = 32 * 1024 * 1024
_MOST_FILE = 16 * 1024 * 1024 * 1024
_ROWS_AT_ONCE = 10_000
#: Bytes a second; a large file on a slow line takes long, one that drips is given up.
_LEAST_RATE = 128 * 1024

_NOT_ONE = "it is not the manifest of an S3 Inventory; name the manifest.json that Amazon wrote"

#: What reading rows that are not what they should be fails with.
_BROKEN = (OSError, EOFError, zlib.error, csv.Error, UnicodeError, ValueError)

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """What a manifest.json says."""

    #: `CSV` or `Parquet`.
    form: str
    columns: tuple[str, ...]
    #: The bucket whose objects it names.
    bucket: str
    #: Keys of the files in the inventory's own bucket, and their MD5 sums.
    files: tuple[tuple[str, str | None], ...]


class _Mismatch(ValueError):
    """A file that is not what its manifest says; a clause that ends in what to do."""


class InventoryLister:
    """Every object of an inventory that may be a video."""

    def __init__(self, uri: str, clients: PerProcess[S3Clients], options: S3Options) -> None:
        self._uri = uri
        self._clients = clients
        self._payer = {"RequestPayer": "requester"} if options.requester_pays else {}
        self._bucket, self._key = split_s3(uri)

    def list(self) -> Iterator[Listing | ListingProblem]:
        """Yield the latest version of each object, as the inventory has it."""
        try:
            with self._get(self._key) as body:
                content = read_limits.read_at_most(body, _MOST_MANIFEST)
            inventory = read_manifest(content or b"", self._uri)
        except S3_ERRORS as error:
            raise source_error(self._uri, error) from error
        for key, checksum in inventory.files:
            try:
                for row in self._rows(inventory, key, checksum):
                    listing = listing_of(row, inventory.bucket)
                    if listing is not None:
                        yield listing
            except _Mismatch as error:
                yield self._broke_off(key, str(error))
            except S3_ERRORS as error:
                yield self._broke_off(key, reason_of(error))

    def _broke_off(self, key: str, reason: str) -> ListingProblem:
        # Of the whole source: nothing that the rest of the file names may be called missing.
        return ListingProblem(uri=self._uri, reason=f"broke off in {key}: {reason}")

    def _get(self, key: str) -> Any:
        client = self._clients.get().main
        return client.get_object(Bucket=self._bucket, Key=key, **self._payer)["Body"]

    def _rows(self, inventory: Inventory, key: str, checksum: str | None) -> Iterator[Row]:
        """Stream the rows of a file, which is brought here first, so that it is whole."""
        with tempfile.TemporaryFile(prefix="reelcat-inventory-") as file:
            self._bring(key, file, checksum)
            try:
                if inventory.form == "Parquet":
                    yield from _parquet_rows(file)
                else:
                    yield from csv_rows(file, inventory.columns)
            except _Mismatch:
                raise
            except _BROKEN as error:
                raise _Mismatch(
                    f"it cannot be read as {inventory.form} ({type(error).__name__}); take the "
                    "next inventory"
                ) from error

    def _bring(self, key: str, file: IO[bytes], checksum: str | None) -> None:
        digest = hashlib.md5(usedforsecurity=False)
        size = 0
        with self._get(key) as body:
            try:
                for chunk in read_limits.read_in_time(
                    body, read_limits.MOST_SECONDS, least_rate=_LEAST_RATE
                ):
                    digest.update(chunk)
                    size += file.write(chunk)
                    if size > _MOST_FILE:
                        break
            except S3_ERRORS as error:
                reason = body_error(s3_uri(self._bucket, key), error).reason
                raise _Mismatch(reason) from error
            except OSError as error:
                raise _Mismatch(f"it cannot be kept here ({error.strerror}); see TMPDIR") from error
        if size > _MOST_FILE:
            raise _Mismatch("it is larger than any file of an inventory; list the bucket itself")
        if checksum is not None and digest.hexdigest() != checksum:
            raise _Mismatch("it is not the file that the manifest names; take the next inventory")
        file.seek(0)


def read_manifest(content: bytes, uri: str) -> Inventory:
    """Read a manifest.json.

    Raises:
        SourceError: it is none, or its rows lack what is needed.
    """
    try:
        found = read_json(content)
        form = str(found["fileFormat"])
        schema = str(found["fileSchema"])
        source = str(found.get("sourceBucket") or split_s3(uri)[0])
        files = tuple((str(one["key"]), one.get("MD5checksum")) for one in found["files"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(uri, f"{_NOT_ONE}.") from error
    if source not in uri.removeprefix("s3://").split("/")[:-1]:
        raise SourceError(
            uri,
            f"it names objects of another bucket, {source[:63]!r}; name a manifest whose address "
            "has that name in it, or list the bucket itself.",
        )
    if form not in {"CSV", "Parquet"}:
        raise SourceError(uri, f"it is in {form}; let Amazon write it as CSV or as Parquet.")
    if form == "Parquet":
        _need_pyarrow(uri)
        columns = tuple(name for text, name in _PARQUET_NAMES.items() if text in schema)
    else:
        columns = tuple(name.strip() for name in schema.split(","))
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise SourceError(
            uri, f"its rows have no {', '.join(missing)}; add that to the inventory's fields."
        )
    return Inventory(form=form, columns=columns, bucket=source, files=files)


def _need_pyarrow(uri: str) -> None:
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415 - only where it is there already
    except ImportError as error:
        raise SourceError(
            uri, "reading Parquet takes pyarrow; install it, or let Amazon write it as CSV."
        ) from error


def csv_rows(file: IO[bytes], columns: Sequence[str]) -> Iterator[Row]:
    """Stream the rows of a gzipped CSV, whose keys are quoted as in an address."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        lines = BoundedLines(cast("TextIO", text))
        for values in csv.reader(lines):
            lines.begin_row()
            if len(values) != len(columns):
                raise _Mismatch(
                    f"it has {len(values)} columns where the manifest names {len(columns)}; take "
                    "the next inventory"
                )
            row = dict(zip(columns, values, strict=True))
            row["Key"] = unquote_plus(row["Key"])
            yield row


def _parquet_rows(file: IO[bytes]) -> Iterator[Row]:
    import pyarrow.parquet  # noqa: PLC0415

    whole = pyarrow.parquet.ParquetFile(file)
    names = [name for name in whole.schema_arrow.names if name in _PARQUET_NAMES]
    missing = [
        name
        for text, name in _PARQUET_NAMES.items()
        if name in _NEEDED and text not in whole.schema_arrow.names
    ]
    if missing:
        raise _Mismatch(f"it has no {', '.join(missing)}; take the next inventory")
    for batch in whole.iter_batches(_ROWS_AT_ONCE, columns=names):
        for row in batch.to_pylist():
            yield {_PARQUET_NAMES[name]: value for name, value in row.items()}


def listing_of(row: Row, bucket: str) -> Listing | None:
    """Read one row; None for old versions, delete markers and what is no candidate.

    Raises `_Mismatch` for what no row of this bucket says.
    """
    if row["Bucket"] != bucket:
        raise _Mismatch(
            f"it names objects of another bucket, {str(row['Bucket'])[:63]!r}, in an inventory of "
            f"{bucket!r}; take the next inventory"
        )
    if not _is_yes(row.get("IsLatest", True)) or _is_yes(row.get("IsDeleteMarker", False)):
        return None
    key: str = row["Key"]
    if not is_candidate(key):
        return None
    size, modified = integer_in(str(row["Size"])), row["LastModifiedDate"]
    if not isinstance(modified, datetime):
        modified = time_in(str(modified))
    if size is None or size < 0 or modified is None or key != storable(key):
        raise _Mismatch("a row holds what no object has; take the next inventory")
    tier = _ARCHIVE_TIERS.get(row.get("IntelligentTieringAccessTier") or "")
    return Listing(
        uri=s3_uri(bucket, key),
        name=key,
        size=size,
        mtime_ns=nanoseconds(modified),
        etag=etag_in({"ETag": row["ETag"]}),
        storage_class=class_to_meet(tier or row.get("StorageClass") or None, restored=False),
    )


def _is_yes(value: object) -> bool:
    return value is True or str(value).lower() == "true"
