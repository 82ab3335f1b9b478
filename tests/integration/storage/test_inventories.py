"""S3 Inventory as a source: what Amazon wrote down, read as a listing would be."""

import csv
import gzip
import hashlib
import io
import json
from datetime import UTC, datetime

import pytest

from catalog.errors import SourceError
from catalog.values import Listing, ListingProblem, SourceKind
from tasks.storage.source import parse_source

FOLDER = "inventories/films/daily/2026-11-24T01-00Z"
COLUMNS = (
    *("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size"),
    *("LastModifiedDate", "ETag", "StorageClass"),
)
STAMP = "2026-11-23T08:00:00.000Z"
MTIME = int(datetime(2026, 11, 23, 8, tzinfo=UTC).timestamp()) * 1_000_000_000


def row(key: str, **changes: str) -> list[str]:
    plain = dict(
        zip(
            COLUMNS,
            ("films", key, "v1", "true", "false", "1000", STAMP, "e1", "STANDARD"),
            strict=True,
        )
    )
    return [(plain | changes)[name] for name in COLUMNS]


def gzipped(rows) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return gzip.compress(text.getvalue().encode())


def put(bucket, *files: bytes, schema: str = ", ".join(COLUMNS), **changes) -> str:
    """Put an inventory of these files into a bucket; gives its address."""
    named = []
    for number, content in enumerate(files):
        key = f"inventories/films/daily/data/{number}.csv.gz"
        bucket.put(key, content)
        named.append(
            {"key": key, "size": len(content), "MD5checksum": hashlib.md5(content).hexdigest()}
        )
    manifest = {
        "sourceBucket": "films",
        "destinationBucket": f"arn:aws:s3:::{bucket.bucket}",
        "version": "2016-11-30",
        "creationTimestamp": "1795510800000",
        "fileFormat": "CSV",
        "fileSchema": schema,
        "files": named,
    }
    return bucket.put(f"{FOLDER}/manifest.json", json.dumps(manifest | changes).encode())


def listed(bucket, uri: str) -> list[Listing | ListingProblem]:
    return list(bucket.stores.lister(parse_source(uri)).list())


def test_an_inventory_is_known_by_its_manifest(bucket):
    source = parse_source(f"s3://inv/{FOLDER}/manifest.json")
    assert (source.kind, source.uri) == (SourceKind.MANIFEST, f"s3://inv/{FOLDER}/manifest.json")
    assert parse_source(f"s3://inv/{FOLDER}/other-manifest.json").kind is SourceKind.BUCKET


def test_an_inventory_gives_what_a_listing_gives(bucket):
    uri = put(bucket, gzipped([row("2009/a.mp4"), row("2009/notes.txt"), row(".trash/b.mp4")]))
    assert listed(bucket, uri) == [
        Listing(
            uri="s3://films/2009/a.mp4",
            name="2009/a.mp4",
            size=1000,
            mtime_ns=MTIME,
            etag="e1",
            storage_class="STANDARD",
        )
    ]


def test_keys_are_quoted_as_in_an_address(bucket):
    uri = put(
        bucket, gzipped([row("a%20b+c%2Bd/%E6%97%A5%E6%9C%AC%2C%22x%22.mp4"), row("100%25.mp4")])
    )
    assert [one.name for one in listed(bucket, uri)] == ['a b c+d/日本,"x".mp4', "100%.mp4"]


def test_only_what_is_latest_and_not_deleted_counts(bucket):
    rows = [
        row("a.mp4", VersionId="v2"),
        row("a.mp4", IsLatest="false", ETag="e0"),
        row("gone.mp4", IsDeleteMarker="true", Size="", ETag=""),
        row("gone.mp4", IsLatest="false"),
    ]
    assert [one.etag for one in listed(bucket, put(bucket, gzipped(rows)))] == ["e1"]


def test_what_is_archived_is_known_as_archived(bucket):
    columns = (*COLUMNS, "IntelligentTieringAccessTier")
    rows = [
        [*row("a.mp4", StorageClass="DEEP_ARCHIVE"), ""],
        [*row("b.mp4", StorageClass="INTELLIGENT_TIERING"), "ARCHIVE"],
        [*row("c.mp4", StorageClass="INTELLIGENT_TIERING"), "FREQUENT"],
    ]
    uri = put(bucket, gzipped(rows), schema=", ".join(columns))
    found = [one.storage_class for one in listed(bucket, uri)]
    assert found == ["DEEP_ARCHIVE", "GLACIER", "INTELLIGENT_TIERING"]


def test_several_files_are_one_inventory(bucket):
    files = [gzipped([row(f"{n}-{m}.mp4") for m in range(3)]) for n in range(3)]
    assert len(listed(bucket, put(bucket, *files))) == 9


def test_an_inventory_of_nothing_is_an_empty_source(bucket):
    assert listed(bucket, put(bucket, gzipped([]))) == []
    assert listed(bucket, put(bucket)) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{}", "it is not the manifest of an S3 Inventory; name the manifest.json"),
        (b"[1]", "it is not the manifest of an S3 Inventory"),
        (b"\xff\xfe", "it is not the manifest of an S3 Inventory"),
    ],
)
def test_another_manifest_is_told_from_an_inventory(bucket, content, sentence):
    uri = bucket.put("app/manifest.json", content)
    with pytest.raises(SourceError, match=sentence):
        listed(bucket, uri)


def test_fields_that_are_missing_are_named(bucket):
    uri = put(bucket, schema="Bucket, Key, LastModifiedDate")
    with pytest.raises(SourceError, match=r"no Size, ETag; add that to the inventory's fields\.$"):
        listed(bucket, uri)


def test_a_form_that_nobody_reads_is_named(bucket):
    with pytest.raises(SourceError, match="it is in ORC; let Amazon write it as CSV"):
        listed(bucket, put(bucket, fileFormat="ORC"))


def test_a_file_that_has_other_columns_is_one_problem_and_the_others_count(bucket):
    good = gzipped([row("good.mp4")])
    uri = put(bucket, gzipped([["films", "a.mp4"]]), good)
    problem, found = listed(bucket, uri)
    assert problem.uri == uri
    assert problem.reason.endswith(
        "it has 2 columns where the manifest names 9; take the next inventory"
    )
    assert found.name == "good.mp4"


def cut_short(bucket) -> str:
    return put(bucket, gzipped([row(f"{number}.mp4") for number in range(3000)])[:-900])


def exchanged(bucket) -> str:
    uri = put(bucket, gzipped([row("a.mp4")]))
    bucket.put("inventories/films/daily/data/0.csv.gz", gzipped([row("b.mp4")]))
    return uri


def removed(bucket) -> str:
    uri = put(bucket, gzipped([row("a.mp4")]))
    bucket.remove(f"{bucket.uri}/inventories/films/daily/data/0.csv.gz")
    return uri


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (cut_short, "it cannot be read as CSV"),
        (exchanged, "it is not the file that the manifest names; take the next inventory"),
        (removed, "there is no such object"),
    ],
)
def test_a_file_that_is_not_whole_is_a_problem_with_the_source(bucket, spoil, sentence):
    uri = spoil(bucket)
    *_, problem = listed(bucket, uri)
    assert problem.uri == uri
    assert sentence in problem.reason


def test_an_inventory_that_is_not_there_says_so(bucket):
    with pytest.raises(SourceError, match=r"/manifest\.json: there is no such object"):
        listed(bucket, f"{bucket.uri}/nowhere/manifest.json")


PARQUET = (
    "message s3.inventory { required binary bucket (UTF8); required binary key (UTF8); optional "
    "int64 size; optional int64 last_modified_date (TIMESTAMP_MILLIS); optional binary e_tag "
    "(UTF8); optional binary storage_class (UTF8); }"
)


def test_parquet_is_read_where_its_library_is_there(bucket):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table(
        {
            "bucket": ["films", "films"],
            "key": ["a b+%41.mp4", "notes.txt"],
            "version_id": ["v1", "v1"],
            "is_latest": [True, True],
            "is_delete_marker": [False, False],
            "size": [1000, 5],
            "last_modified_date": arrow.array(
                [datetime(2026, 11, 23, 8, tzinfo=UTC)] * 2, arrow.timestamp("ms", tz="UTC")
            ),
            "e_tag": ["e1", "e2"],
            "storage_class": ["GLACIER", "STANDARD"],
        }
    )
    written = io.BytesIO()
    parquet.write_table(table, written)
    uri = put(bucket, written.getvalue(), schema=PARQUET, fileFormat="Parquet")
    (found,) = listed(bucket, uri)
    assert (found.uri, found.size, found.mtime_ns) == ("s3://films/a b+%41.mp4", 1000, MTIME)
    assert (found.etag, found.storage_class) == ("e1", "GLACIER")


def test_parquet_without_its_library_says_what_to_install(bucket, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(SourceError, match="reading Parquet takes pyarrow; install it, or let"):
        listed(bucket, put(bucket, schema=PARQUET, fileFormat="Parquet"))


def told(bucket, uri: str) -> str:
    [problem] = listed(bucket, uri)
    assert isinstance(problem, ListingProblem)
    assert problem.uri == uri
    return problem.reason


def test_an_inventory_cannot_name_objects_of_another_bucket(bucket):
    rows = [row("a.mp4"), row("b.mp4", Bucket="private"), row("c.mp4")]
    first, problem = listed(bucket, put(bucket, gzipped(rows)))
    assert first.uri == "s3://films/a.mp4"
    assert "it names objects of another bucket, 'private'" in problem.reason


def test_old_versions_of_another_bucket_are_told_as_well(bucket):
    hidden = row("b.txt", Bucket="private", IsLatest="false")
    assert "another bucket" in told(bucket, put(bucket, gzipped([hidden])))


@pytest.mark.parametrize("source", ["private", "film", "s3:", "../films"])
def test_an_inventory_is_of_a_bucket_that_its_address_names(bucket, source):
    uri = put(bucket, gzipped([row("a.mp4", Bucket=source)]), sourceBucket=source)
    with pytest.raises(SourceError, match="it names objects of another bucket"):
        listed(bucket, uri)


def test_an_inventory_may_be_of_the_bucket_that_it_lies_in(bucket):
    rows = gzipped([row("a.mp4", Bucket=bucket.bucket)])
    [found] = listed(bucket, put(bucket, rows, sourceBucket=bucket.bucket))
    assert found.uri == f"s3://{bucket.bucket}/a.mp4"


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"Size": "9" * 5000},
            {"Size": str(2**63)},
            {"Size": "-1"},
            {"Size": "1e9"},
            {"Size": ""},
        ),
        *({"LastModifiedDate": "999999999-01-01T00:00:00Z"}, {"LastModifiedDate": "never"}),
        *({"LastModifiedDate": "9999-12-31T23:59:59Z"}, {"Key": "a%00.mp4"}),
    ],
    ids=" ".join,
)
def test_what_no_object_has_is_told(bucket, changes):
    uri = put(bucket, gzipped([row(changes.pop("Key", "a.mp4"), **changes)]))
    assert "a row holds what no object has" in told(bucket, uri)


@pytest.mark.parametrize(
    "rows",
    [
        gzip.compress(b'"films","a.mp4' + b" " * (64 * 1024 * 1024)),
        gzip.compress(b'"films","a.mp4\n","' * 300_000),
        gzip.compress(b"films,a.mp4," * 300_000),
    ],
    ids=["spaces", "lines", "columns"],
)
def test_a_row_without_end_is_told(bucket, rows):
    assert "it cannot be read as CSV" in told(bucket, put(bucket, rows))


@pytest.mark.parametrize(
    "content",
    [
        *(b"[" * 100_000, b'{"files": 1e999999999}', b'{"files": %s}' % (b"9" * 5000), b"null"),
        b'{"fileFormat": "CSV", "fileFormat": "CSV", "fileSchema": "", "files": []}',
    ],
    ids=["deep", "huge", "long", "null", "twice"],
)
def test_a_manifest_of_absurd_json_is_none(bucket, content):
    uri = bucket.put(f"{FOLDER}/manifest.json", content)
    with pytest.raises(SourceError, match="it is not the manifest of an S3 Inventory"):
        listed(bucket, uri)
