"""Objects that cannot be had, one by one, and what is asked of buckets that want it so."""

from dataclasses import replace

import pytest
from canned_s3 import CannedBucket, CannedS3, Refusal

from tasks.storage.errors import FileArchived, FileForbidden, StoreError, StoreUnreachable
from tasks.storage.options import S3Options, StoreOptions
from tasks.storage.source import parse_source
from tasks.storage.stores import Stores

KEY = "2009/a b.mp4"


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def stores_at(server: CannedS3, **options) -> Stores:
    plain = S3Options(endpoint_url=server.url, region="us-east-1", max_attempts=1)
    return Stores(StoreOptions(s3=replace(plain, **options)))


@pytest.mark.parametrize(
    ("refusal", "kind", "sentence"),
    [
        (Refusal(status=403, code="AccessDenied"), FileForbidden, "ask for s3:ListBucket"),
        (Refusal(status=403, code="AccessDenied"), FileForbidden, "kms:Decrypt"),
        (
            Refusal(status=400, code="KMS.DisabledException"),
            FileForbidden,
            r"the KMS key that encrypts it cannot be used \(KMS.DisabledException\); ask its owner",
        ),
        (Refusal(status=400, code="KMS.NotFoundException"), FileForbidden, "ask its owner"),
        (Refusal(status=400, code="KMS.ThrottlingException"), StoreUnreachable, "run again later"),
        (Refusal(status=403, code="InvalidObjectState"), FileArchived, "restore it"),
    ],
)
def test_one_object_that_cannot_be_read_is_that_objects_trouble(refusal, kind, sentence):
    shelf = CannedBucket(
        keys=[KEY, "b.mp4"], bodies={KEY: b"12345", "b.mp4": b"12345"}, refusals={KEY: refusal}
    )
    with CannedS3(shelf) as server:
        stores = stores_at(server)
        found = list(stores.lister(parse_source("s3://films")).list())
        assert len(found) == 2
        with pytest.raises(StoreError, match=sentence) as told:
            stores.reader(f"s3://films/{KEY}").open(f"s3://films/{KEY}", size=5).read()
        assert type(told.value) is kind
        assert stores.reader("s3://films/b.mp4").open("s3://films/b.mp4", size=5).read() == b"12345"


def test_whoever_agrees_to_pay_says_so_with_every_request_and_nobody_else_does():
    shelf = CannedBucket(keys=[KEY], bodies={KEY: b"12345"})
    with CannedS3(shelf) as server:
        for pays in (False, True):
            shelf.asked.clear()
            stores = stores_at(server, requester_pays=pays)
            list(stores.lister(parse_source("s3://films/2009")).list())
            stores.look(f"s3://films/{KEY}")
            stores.reader(f"s3://films/{KEY}").open(f"s3://films/{KEY}", size=5).read()
            assert len(shelf.asked) == 4
            said = {headers.get("x-amz-request-payer") for *_, headers in shelf.asked}
            assert said == {"requester" if pays else None}


def test_an_endpoint_is_asked_by_path_unless_it_wants_the_bucket_in_its_name():
    shelf = CannedBucket(keys=[KEY])
    with CannedS3(shelf) as server:
        list(stores_at(server).lister(parse_source("s3://films")).list())
        (*_, headers) = shelf.asked[-1]
        assert headers["host"] == server.url.removeprefix("http://")
    for style, place in (("auto", "s3.example.org/films/a"), ("virtual", "films.s3.example.org/a")):
        options = S3Options(endpoint_url="https://s3.example.org", addressing_style=style)
        client = (
            Stores(StoreOptions(s3=replace(options, region="us-east-1")))._s3_clients.get().main
        )
        url = client.generate_presigned_url("get_object", Params={"Bucket": "films", "Key": "a"})
        assert url.startswith(f"https://{place}?")
