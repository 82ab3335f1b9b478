import socket
from dataclasses import replace

import pytest

from catalog.errors import SourceError
from catalog.values import Listing, ListingProblem
from tasks.storage.errors import FileForbidden, StoreUnreachable
from tasks.storage.registry import Stores
from tasks.storage.source import parse_source
from tasks.storage.store import StoreOptions


def listed(text, stores: Stores) -> list[Listing | ListingProblem]:
    return list(stores.lister(parse_source(text)).list())


def names(text, stores: Stores) -> list[str]:
    return [each.name for each in listed(text, stores)]


@pytest.fixture
def closed_port():
    """A port that refuses connections, held so that nobody else opens it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_listing_agrees_with_a_look_at_the_object(bucket):
    uri = bucket.put("2009/a.mp4", b"12345")
    (found,) = listed(bucket.uri, bucket.stores)
    assert (found.uri, found.name, found.size) == (uri, "2009/a.mp4", 5)
    assert found.etag == "827ccb0eea8a706c4c34a16891f84e7b"
    looked = bucket.stores.look(uri)
    assert looked._replace(name=found.name, storage_class=found.storage_class) == found
    assert found.storage_class == "STANDARD"


def test_a_prefix_means_what_lies_below_it_and_the_object_itself(bucket):
    for key in ("p/a.mp4", "p/b/c.mp4", "pq/d.mp4", "p.mp4", "p-e.mp4", "o/f.mp4"):
        bucket.put(key)
    expected = ["a.mp4", "b/c.mp4"]
    assert names(f"{bucket.uri}/p", bucket.stores) == expected
    assert names(f"{bucket.uri}/p/", bucket.stores) == expected
    assert names(f"{bucket.uri}/p.mp4", bucket.stores) == ["p.mp4"]
    assert names(f"{bucket.uri}/p/b/c.mp4", bucket.stores) == ["c.mp4"]
    bucket.put("p")
    assert names(f"{bucket.uri}/p", bucket.stores) == ["p", *expected]
    assert names(f"{bucket.uri}/nothing", bucket.stores) == []


def test_an_empty_name_in_a_prefix_is_a_name_as_any(bucket):
    for key in ("a.mp4", "/b.mp4", "//c.mp4", "/a//b/d.mp4", "a/e.mp4", "a//f.mp4", "a///g.mp4"):
        bucket.put(key)
    assert names(f"{bucket.uri}/", bucket.stores) == [
        *("//c.mp4", "/a//b/d.mp4", "/b.mp4", "a.mp4", "a///g.mp4", "a//f.mp4", "a/e.mp4")
    ]
    assert names(f"{bucket.uri}//", bucket.stores) == ["/c.mp4", "a//b/d.mp4", "b.mp4"]
    assert names(f"{bucket.uri}///", bucket.stores) == ["c.mp4"]
    assert names(f"{bucket.uri}//a//b/", bucket.stores) == ["d.mp4"]
    assert names(f"{bucket.uri}//a/b/", bucket.stores) == []
    assert names(f"{bucket.uri}/a//", bucket.stores) == ["/g.mp4", "f.mp4"]
    assert names(f"{bucket.uri}/a/", bucket.stores) == ["//g.mp4", "/f.mp4", "e.mp4"]


def test_a_long_listing_below_an_empty_name_is_whole(bucket, s3_options):
    keys = [f"/{folder}/{number:02}.mp4" for folder in ("", "x") for number in range(9)]
    for key in ("0.mp4", "a/1.mp4", *keys):
        bucket.put(key)
    stores = Stores(StoreOptions(s3=replace(s3_options, page_size=3)))
    assert sorted(names(f"{bucket.uri}//", stores)) == sorted(key[1:] for key in keys)


def test_nothing_is_listed_twice(bucket):
    bucket.put("p/a.mp4")
    bucket.put("p/b.mp4")
    assert names(f"{bucket.uri}/p", bucket.stores) == ["a.mp4", "b.mp4"]


def test_markers_of_folders_and_hidden_and_other_objects_are_passed_over(bucket):
    for key in ("a/.x.mp4", "a/._b.mp4", ".trash/c.mp4", "a/b.jpg", "a/b.mp4.part", "a/good.MP4"):
        bucket.put(key)
    bucket.put("a/", b"")
    bucket.put("a/folder.mp4/", b"")
    assert names(bucket.uri, bucket.stores) == ["a/good.MP4"]
    assert names(f"{bucket.uri}/a", bucket.stores) == ["good.MP4"]


ODD_KEYS = [
    "with space/and ünïcödé/日本.mp4",
    "plus+and%41percent.mp4",
    "double//slash.mp4",
    "/leading.mp4",
    "question?and#hash&=.mp4",
    "new\nline.mp4",
    "quote'\"<>.mp4",
    "up/../down.mp4",
    "e\u0301.mp4",
    "\u00e9.mp4",
    "\U0001f3ac.mp4",
]


def test_odd_keys_are_listed_looked_at_and_read_as_they_are(bucket):
    for key in ODD_KEYS:
        bucket.put(key, key.encode())
    found = listed(bucket.uri, bucket.stores)
    assert sorted(each.uri for each in found) == sorted(f"{bucket.uri}/{key}" for key in ODD_KEYS)
    for each in found:
        reader = bucket.stores.reader(each.uri)
        assert reader.look(each.uri).etag == each.etag
        with reader.open(each.uri, size=each.size, etag=each.etag) as file:
            assert f"{bucket.uri}/{file.read().decode()}" == each.uri


def test_a_prefix_may_hold_spaces_and_other_scripts(bucket):
    bucket.put("Ferien 2009/Süd+%20/a b.mp4")
    bucket.put("Ferien 2009/Süd+%20 more/x.mp4")
    assert names(f"{bucket.uri}/Ferien 2009/Süd+%20/", bucket.stores) == ["a b.mp4"]


def test_a_long_listing_comes_page_by_page(bucket, s3_options):
    for number in range(25):
        bucket.put(f"{number:02}.mp4")
    pages = []
    stores = Stores(StoreOptions(s3=replace(s3_options, page_size=10)))
    stores._s3_clients.get().main.meta.events.register(
        "before-call.s3.ListObjectsV2", lambda **_: pages.append(len(seen))
    )
    seen = []
    for each in stores.lister(parse_source(bucket.uri)).list():
        seen.append(each.name)  # noqa: PERF401 -- the hook watches it grow
    assert seen == [f"{number:02}.mp4" for number in range(25)]
    assert pages[0] == 0
    assert len(pages) == 4  # one of them asks for folders, of which there are none
    assert min(pages[1:]) >= 10


def test_a_listing_that_breaks_off_is_a_problem_with_the_whole_source(bucket, s3_options):
    for number in range(20):
        bucket.put(f"{number:02}.mp4")
    options = replace(s3_options, page_size=10)
    listing = Stores(StoreOptions(s3=options)).lister(parse_source(bucket.uri)).list()
    assert next(listing).name == "00.mp4"
    for number in range(20):
        bucket.remove(f"{bucket.uri}/{number:02}.mp4")
    bucket.client.delete_bucket(Bucket=bucket.bucket)
    *rest, problem = listing
    assert len(rest) == 9
    assert problem.uri == bucket.uri
    assert problem.reason.startswith("broke off: there is no such bucket")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"profile": "wrong-secret"}, "the S3 secret key is wrong; check AWS_SECRET_ACCESS_KEY"),
        ({"profile": "unknown-key"}, "the S3 access key is unknown|the S3 secret key is wrong"),
        ({"profile": "stranger"}, "access denied; ask for s3:ListBucket|there is no such bucket"),
        ({"profile": "empty"}, "no S3 credentials were found; set AWS_PROFILE"),
        ({"profile": "absent"}, "there is no such AWS profile; check AWS_PROFILE"),
        ({"endpoint_url": "not an address"}, "the S3 endpoint is no address"),
    ],
)
def test_a_bucket_that_cannot_be_listed_says_what_to_do(bucket, s3_options, change, sentence):
    uri = bucket.put("a.mp4")
    stores = Stores(StoreOptions(s3=replace(s3_options, **change)))
    with pytest.raises(SourceError, match=sentence) as caught:
        listed(bucket.uri, stores)
    assert str(caught.value).startswith(f"{bucket.uri}: ")
    with pytest.raises((FileForbidden, StoreUnreachable)):
        stores.look(uri)


def test_a_bucket_that_is_not_there_says_so(s3_stores):
    with pytest.raises(SourceError, match="there is no such bucket; check its name"):
        listed("s3://reelcat-no-such-bucket/2009", s3_stores)
    with pytest.raises(SourceError, match="this is no name for a bucket"):
        listed("s3://no such name", s3_stores)


def test_an_endpoint_that_does_not_answer_says_so(s3_options, closed_port):
    options = replace(s3_options, endpoint_url=f"http://127.0.0.1:{closed_port}", max_attempts=1)
    stores = Stores(StoreOptions(s3=options))
    sentence = "the S3 endpoint does not answer; check AWS_ENDPOINT_URL_S3"
    with pytest.raises(SourceError, match=sentence):
        listed("s3://films", stores)
    with pytest.raises(StoreUnreachable, match=sentence):
        stores.look("s3://films/a.mp4")
    with pytest.raises(StoreUnreachable, match=sentence):
        stores.reader("s3://films/a").open("s3://films/a", size=5).read()


def test_the_endpoint_of_the_environment_is_used(bucket, s3_options, monkeypatch):
    bucket.put("a.mp4")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_options.endpoint_url)
    stores = Stores(StoreOptions(s3=replace(s3_options, endpoint_url=None)))
    assert names(bucket.uri, stores) == ["a.mp4"]
