"""Buckets of many pages: all of it once, side by side, in a bounded number of requests."""

import threading
from dataclasses import replace

import pytest
from canned_s3 import CannedBucket, CannedS3

from catalog.values import Listing, ListingProblem
from tasks.storage.registry import Stores
from tasks.storage.source import parse_source
from tasks.storage.store import S3Options, StoreOptions

PAGE = 1000


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def served():
    """Serves a bucket."""
    running = []

    def serve(shelf: CannedBucket, **options) -> Stores:
        server = CannedS3(shelf)
        server.__enter__()
        running.append(server)
        plain = S3Options(endpoint_url=server.url, region="us-east-1", max_attempts=1)
        return Stores(StoreOptions(s3=replace(plain, **options)))

    yield serve
    for server in running:
        server.__exit__()


def listed(stores: Stores, uri: str = "s3://films") -> list[Listing | ListingProblem]:
    return list(stores.lister(parse_source(uri)).list())


def spread(*folders: tuple[str, int]) -> list[str]:
    return sorted(
        f"{folder}{number:06}.mp4" for folder, count in folders for number in range(count)
    )


SHAPES = {
    "years and months": spread(
        *((f"{2000 + y}/{m:02}/", 150) for y in range(8) for m in range(12))
    ),
    "one folder in one folder": spread(("archive/films/", 9000)),
    "one that is much larger than all others": spread(
        ("a/", 20), ("b/x/", 6000), ("b/y/", 4000), ("c/", 20)
    ),
    "many that hold little": spread(*((f"{number:04}/", 3) for number in range(4000))),
    "everything in the root": spread(("", 5000)),
    "folders that are objects, too": sorted(
        {*spread(*((f"{n:02}/", 400) for n in range(20))), *(f"{n:02}/" for n in range(20))}
    ),
    "names in other scripts": sorted(
        key for n in range(12) for key in spread((f"été {n}+%/日本/", 400))
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_key_is_listed_once_whatever_its_folders_look_like(served, shape):
    shelf = CannedBucket(keys=SHAPES[shape])
    found = listed(served(shelf))
    expected = [f"s3://films/{key}" for key in SHAPES[shape] if not key.endswith("/")]
    assert sorted(one.uri for one in found) == sorted(expected)
    pages = -(-len(SHAPES[shape]) // PAGE)
    assert len(shelf.asked) <= 2 * pages + 30


@pytest.mark.parametrize("bucket", ["films", "films--use1-az4--x-s3"])
def test_a_page_that_holds_nothing_ends_no_listing(served, bucket):
    shelf = CannedBucket(keys=SHAPES["years and months"], hollow=True)
    found = listed(served(shelf), f"s3://{bucket}")
    assert sorted(one.uri for one in found) == [f"s3://{bucket}/{key}" for key in shelf.keys]


def test_ranges_are_listed_side_by_side_within_a_bound(served):
    shelf = CannedBucket(keys=SHAPES["years and months"], latency=0.1)
    found = listed(served(shelf, listers=4))
    assert len(found) == len(shelf.keys)
    assert 2 <= shelf.most_at_once <= 4


def test_a_bucket_of_one_page_takes_one_request(served):
    shelf = CannedBucket(keys=spread(("a/", 300), ("b/", 300)))
    assert len(listed(served(shelf))) == 600
    assert len(shelf.asked) == 1


def test_a_prefix_is_listed_without_its_neighbours(served):
    shelf = CannedBucket(keys=spread(("p", 1500), ("p/a/", 1500), ("p/b/", 1500), ("pq/", 1500)))
    found = listed(served(shelf), "s3://films/p")
    assert len(found) == 3000
    assert {one.name[:2] for one in found} == {"a/", "b/"}


def test_a_bucket_without_order_is_listed_one_page_after_the_other(served):
    shelf = CannedBucket(keys=SHAPES["years and months"], latency=0.01)
    found = listed(served(shelf), "s3://films--use1-az4--x-s3")
    assert len(found) == len(shelf.keys)
    assert shelf.most_at_once == 1
    assert not [query for *_, query, _ in shelf.asked if "start-after" in query]


def test_a_listing_that_breaks_off_somewhere_is_one_problem_with_the_source(served):
    shelf = CannedBucket(keys=SHAPES["years and months"], most_pages=6)
    found = listed(served(shelf))
    problems = [one for one in found if isinstance(one, ListingProblem)]
    assert [one.uri for one in problems] == ["s3://films"]
    assert problems[0].reason.startswith("broke off: access denied")
    assert found[-1] is problems[0]
    assert len({one.uri for one in found}) == len(found) > PAGE


def test_a_long_listing_that_nobody_reads_to_its_end_leaves_no_thread(served):
    before = threading.active_count()
    shelf = CannedBucket(keys=SHAPES["years and months"])
    listing = served(shelf).lister(parse_source("s3://films")).list()
    for _ in range(PAGE + 1):
        next(listing)
    listing.close()
    for thread in threading.enumerate():
        if thread.name.startswith("list-"):
            thread.join(30)
            assert not thread.is_alive()
    assert len(shelf.asked) < len(shelf.keys) // PAGE
    assert threading.active_count() <= before + 20  # the server's own
