import random
import threading
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tasks.storage.block_cache import BLOCK_BYTES
from tasks.storage.errors import LinkTooShort, ReadCapReached, StoreRefused
from tasks.storage.registry import Stores
from tasks.storage.s3.client import S3Clients
from tasks.storage.store import ReadCaps, StoreOptions

DATA = random.Random(3).randbytes(160 * BLOCK_BYTES + 99)
KEY = "dir with space/ü+%41?x#y&z/a.mp4"


def link(stores, uri, *, token="t0k3n", version=None, expires_in=timedelta(hours=1)) -> str:
    return stores.reader(uri).provider_url(uri, version=version, token=token, expires_in=expires_in)


def test_anybody_can_follow_a_link_also_for_a_part(bucket):
    uri = bucket.put(KEY, b"0123456789")
    url = link(bucket.stores, uri)
    assert httpx.get(url).content == b"0123456789"
    part = httpx.get(url, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")


def test_a_link_carries_its_token_under_its_signature(bucket):
    url = link(bucket.stores, bucket.put(KEY, b"0123456789"))
    query = parse_qs(urlsplit(url).query)
    assert query["x-reelcat"] == ["t0k3n"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    for altered in (
        url.replace("t0k3n", "other"),
        url.replace("a.mp4", "b.mp4"),
        url.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"),
        url.replace("x-reelcat=t0k3n&", ""),
    ):
        assert altered != url
        assert httpx.get(altered).status_code == 403


def test_whoever_agrees_to_pay_gives_links_that_say_so_and_still_work(bucket, s3_options):
    uri = bucket.put(KEY, b"paid")
    stores = Stores(StoreOptions(s3=replace(s3_options, requester_pays=True)))
    query = parse_qs(urlsplit(link(stores, uri)).query)
    assert query["x-amz-request-payer"] == ["requester"]
    assert query["X-Amz-SignedHeaders"] == ["host"]
    assert httpx.get(link(stores, uri)).content == b"paid"
    found = stores.look(uri)
    with stores.reader(uri).open(uri, size=4, etag=found.etag) as file:
        assert file.read() == b"paid"


def test_two_links_to_one_object_differ_by_their_tokens(bucket):
    uri = bucket.put(KEY)
    assert link(bucket.stores, uri, token="one") != link(bucket.stores, uri, token="two")


def test_tokens_of_many_threads_do_not_mix(bucket):
    uri = bucket.put(KEY)
    links = {}

    def sign(token):
        for _ in range(20):
            query = parse_qs(urlsplit(link(bucket.stores, uri, token=token)).query)
            links.setdefault(token, set()).update(query["x-reelcat"])

    threads = [threading.Thread(target=sign, args=(f"t{number}",)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert links == {f"t{number}": {f"t{number}"} for number in range(8)}


def test_a_link_stops_working_when_it_expires(bucket):
    url = link(bucket.stores, bucket.put(KEY), expires_in=timedelta(seconds=1))
    while httpx.get(url).status_code == 200:  # the test's time limit ends this if it never does
        pass
    assert httpx.get(url).status_code == 403


def test_a_link_is_asked_for_seven_days_at_most(bucket):
    url = link(bucket.stores, bucket.put(KEY, b"x"), expires_in=timedelta(days=30))
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["604800"]
    assert httpx.get(url).content == b"x"


def test_a_link_into_amazon_names_bucket_and_region_in_its_host(s3_options):
    clients = S3Clients(replace(s3_options, endpoint_url=None))
    clients._regions["films"] = "eu-central-1"  # what the bucket itself would have said
    url = clients.signing("films").generate_presigned_url(
        "get_object", Params={"Bucket": "films", "Key": "a.mp4"}
    )
    assert url.startswith("https://films.s3.eu-central-1.amazonaws.com/a.mp4?")
    assert "%2Feu-central-1%2Fs3%2F" in url


def test_a_link_signed_with_temporary_credentials_dies_with_them(bucket, s3_options):
    uri = bucket.put(KEY)
    stores = Stores(StoreOptions(s3=replace(s3_options, profile="temporary")))
    query = parse_qs(urlsplit(link(stores, uri, expires_in=timedelta(days=1))).query)
    assert 7_000 < int(query["X-Amz-Expires"][0]) <= 7_200


def test_credentials_that_can_be_renewed_are_before_they_sign_a_link_that_outlives_them(
    bucket, s3_options
):
    uri = bucket.put(KEY)
    stores = Stores(StoreOptions(s3=replace(s3_options, profile="renewable")))
    short = parse_qs(urlsplit(link(stores, uri, expires_in=timedelta(minutes=10))).query)
    assert short["X-Amz-Expires"] == ["600"]
    clients = stores._s3_clients.get()
    clients._renewed_at = None  # as if five minutes had passed
    long = parse_qs(urlsplit(link(stores, uri, expires_in=timedelta(hours=6))).query)
    assert long["X-Amz-Expires"] == [str(6 * 3600)]


def test_credentials_that_stay_short_are_not_renewed_for_every_link(bucket, s3_options):
    uri = bucket.put(KEY)
    stores = Stores(StoreOptions(s3=replace(s3_options, profile="temporary")))
    link(stores, uri, expires_in=timedelta(days=1))
    credentials = stores._s3_clients.get()._session.get_credentials()
    renewals = []
    renew = credentials._refresh_using

    def count():
        renewals.append(1)
        return renew()

    credentials._refresh_using = count
    for _ in range(5):
        link(stores, uri, expires_in=timedelta(days=1))
    assert renewals == []


def test_dying_credentials_sign_no_link(bucket, s3_options):
    stores = Stores(StoreOptions(s3=replace(s3_options, profile="dying")))
    with pytest.raises(LinkTooShort, match="about to expire; renew them"):
        link(stores, bucket.put(KEY))


def test_expired_credentials_are_told_from_absent_ones(bucket, s3_options):
    stores = Stores(StoreOptions(s3=replace(s3_options, profile="expired")))
    uri = bucket.put(KEY)
    for use in (stores.look, lambda uri: link(stores, uri)):
        with pytest.raises(StoreRefused, match="have expired and cannot be renewed; log in"):
            use(uri)


def test_without_credentials_there_is_no_link_and_a_sentence(bucket, s3_options):
    stores = Stores(StoreOptions(s3=replace(s3_options, profile="empty")))
    with pytest.raises(StoreRefused, match="no S3 credentials were found; set AWS_PROFILE"):
        link(stores, bucket.put(KEY))


def test_a_link_to_a_version_gives_that_version(bucket):
    bucket.client.put_bucket_versioning(
        Bucket=bucket.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    uri = bucket.put(KEY, b"first")
    first = bucket.stores.look(uri)
    bucket.put(KEY, b"second")
    assert first.version is not None
    assert httpx.get(link(bucket.stores, uri, version=first.version)).content == b"first"
    reader = bucket.stores.reader(uri)
    with reader.open(uri, size=5, etag=first.etag, version=first.version) as file:
        assert file.read() == b"first"
        assert file.version == first.version
    with reader.open(uri, size=6) as file:
        assert file.version is None
        file.read(1)
        assert file.version == reader.look(uri).version != first.version
    bucket.remove(uri)
    assert reader.look(uri) is None


def test_an_object_uploaded_in_parts_reads_as_one(bucket):
    part = random.Random(5).randbytes(5 * 1024 * 1024)
    where = {"Bucket": bucket.bucket, "Key": KEY}
    upload = bucket.client.create_multipart_upload(**where)["UploadId"]
    parts = []
    for number, data in enumerate((part, b"tail"), start=1):
        answer = bucket.client.upload_part(**where, UploadId=upload, PartNumber=number, Body=data)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    bucket.client.complete_multipart_upload(
        **where, UploadId=upload, MultipartUpload={"Parts": parts}
    )
    uri = f"{bucket.uri}/{KEY}"
    found = bucket.stores.look(uri)
    assert found.etag.endswith("-2")
    with bucket.stores.reader(uri).open(uri, size=found.size, etag=found.etag) as file:
        file.seek(-10, 2)
        assert file.read() == part[-6:] + b"tail"
        file.seek(0)
        assert file.read() == part + b"tail"


def opened(bucket, stores):
    uri = bucket.put("a.mp4", DATA)
    found = stores.look(uri)
    return stores.reader(uri).open(uri, size=found.size, etag=found.etag)


def test_head_and_tail_cost_one_request_each(bucket):
    with opened(bucket, bucket.stores) as file:
        for _ in range(3):
            file.seek(0)
            assert file.read(32_768) == DATA[:32_768]
            file.seek(-1000, 2)
            assert file.read(1000) == DATA[-1000:]
        assert file.requests == 2
        assert file.bytes_read == 5 * BLOCK_BYTES + 99  # the tail lies across two blocks


def test_what_is_asked_for_in_one_large_read_is_all_that_is_fetched(bucket):
    with opened(bucket, bucket.stores) as file:
        file.read(8)
        file.seek(3 * BLOCK_BYTES)
        assert file.read(4 * BLOCK_BYTES - 5) == DATA[3 * BLOCK_BYTES : 7 * BLOCK_BYTES - 5]
        assert (file.requests, file.bytes_read) == (2, 7 * BLOCK_BYTES)
        file.seek(50 * BLOCK_BYTES + 7)
        assert file.read(40 * BLOCK_BYTES) == DATA[50 * BLOCK_BYTES + 7 : 90 * BLOCK_BYTES + 7]
        assert (file.requests, file.bytes_read) == (4, 48 * BLOCK_BYTES)


def test_small_reads_in_sequence_are_few_requests(bucket):
    with opened(bucket, bucket.stores) as file:
        pieces = [file.read(32_768) for _ in range(len(DATA) // 32_768 + 2)]
        assert b"".join(pieces) == DATA
        assert file.bytes_read == len(DATA)  # nothing twice
        assert file.requests <= 9  # 4 + 4 + 8 + 16 + 32 + 32 + … blocks


def test_a_cap_on_requests_ends_a_costly_read(bucket, s3_options):
    stores = Stores(StoreOptions(s3=s3_options, caps=ReadCaps(max_requests=3)))
    with opened(bucket, stores) as file:
        for block in (0, 9, 19):
            file.seek(block * BLOCK_BYTES)
            file.read(1)
        file.seek(29 * BLOCK_BYTES)
        with pytest.raises(ReadCapReached, match="more than 3 requests"):
            file.read(1)
        assert file.requests == 3


def test_a_cap_on_bytes_ends_a_costly_read(bucket, s3_options):
    stores = Stores(StoreOptions(s3=s3_options, caps=ReadCaps(max_bytes=12 * BLOCK_BYTES)))
    with opened(bucket, stores) as file:
        with pytest.raises(ReadCapReached, match=f"more than {12 * BLOCK_BYTES} bytes"):
            file.read()
        assert file.bytes_read <= 12 * BLOCK_BYTES
