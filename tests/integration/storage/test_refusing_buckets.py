"""Objects that cannot be had, one by one, and what is asked of buckets that want it so."""

import os
from dataclasses import replace

import pytest
from canned_s3 import CannedBucket, CannedS3, Refusal

from catalog.errors import SourceError
from tasks.storage.errors import (
    FileArchived,
    FileForbidden,
    FileUnreadable,
    StoreError,
    StoreUnreachable,
)
from tasks.storage.registry import Stores
from tasks.storage.source import parse_source
from tasks.storage.store import S3Options, StoreOptions

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


def test_a_bucket_that_sends_whole_objects_only_is_not_called_changed():
    large = os.urandom(3_000_000)
    shelf = CannedBucket(
        keys=["a.mp4", "b.mp4"], bodies={"a.mp4": b"12345", "b.mp4": large}, whole=True
    )
    with CannedS3(shelf) as server:
        stores = stores_at(server)
        small, big = "s3://films/a.mp4", "s3://films/b.mp4"
        assert stores.reader(small).open(small, size=5).read() == b"12345"
        reader = stores.reader(big).open(big, size=len(large))
        with pytest.raises(FileUnreadable, match="copy the file into a folder"):
            reader.read(100)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HTTP_PROXY", "gopher://me:hunter2@proxy"), ("ALL_PROXY", "socks4://me:hunter2@proxy")],
)
def test_a_proxy_that_cannot_be_used_is_said_of_the_source(monkeypatch, variable, value):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv(variable, value)
    with CannedS3(CannedBucket(keys=["a.mp4"])) as server:
        options = S3Options(endpoint_url="http://s3.example", region="us-east-1", max_attempts=1)
        stores = Stores(StoreOptions(s3=options))
        with pytest.raises(SourceError, match=variable) as told:
            list(stores.lister(parse_source("s3://films")).list())
        assert "hunter2" not in str(told.value)
        stores = stores_at(server)  # this machine is asked without a proxy
        assert len(list(stores.lister(parse_source("s3://films")).list())) == 1


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_certificates_that_are_none_are_said_of_the_source(monkeypatch, tmp_path, variable):
    monkeypatch.setenv(variable, str(tmp_path / "nowhere.pem"))
    options = S3Options(endpoint_url="https://127.0.0.1:1", region="us-east-1", max_attempts=1)
    with pytest.raises(SourceError, match=f"{variable} names a file"):
        list(Stores(StoreOptions(s3=options)).lister(parse_source("s3://films")).list())
