"""The same from a bucket of a real S3 server: addresses go to the provider, videos do not."""

from __future__ import annotations

import uuid
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from command import KEY, sandbox_of

# One S3 server for all of these.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("s3-runs")]

#: Names as buckets have them. Two tasks for each film; the last one is large.
FILMS = (
    "2009/opening-5s.mp4",
    "2009/Sommer, Hafen-11s.mp4",
    "2010/\u6d77-7s.mkv",
    "2010/scan-7s.avi",
)
PRICE = Decimal("0.08")


@pytest.fixture
def bucket(shell, archive, s3_server):
    """A bucket with films in a folder whose name has a blank, and one that is none."""
    client = s3_server.client()
    name = f"films-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    for film in FILMS:
        body = archive.put(film).read_bytes()
        client.put_object(Bucket=name, Key=f"old reels/{film}", Body=body)
    client.put_object(Bucket=name, Key="old reels/noise.mp4", Body=b"no film at all" * 999)
    return name


def test_a_bucket_is_described_without_downloading_or_uploading_a_video(
    shell, archive, bucket, s3_server
):
    source = f"s3://{bucket}/old reels/"
    with sandbox_of(shell) as sandbox:
        paying = shell.having(**s3_server.environment(), **sandbox.environment())
        plan = paying("plan", source, "--json")
        run = paying("run", source, "--budget", "1", "--json")
        again = paying("run", source, "--budget", "1", "--json")
        audit = sandbox.audit()
        asked = sandbox.predictions()

    assert [one.code for one in (plan, run, again)] == [1, 1, 1]  # one of them is no film
    quoted = plan.report["money"]["quoted_usd"]
    assert quoted == run.report["money"]["charged_usd"] == str(PRICE)
    probed = plan.report["videos"]
    assert probed["probed"] == len(FILMS) + 1
    assert 0 < probed["bytes_read"] < sum(path.stat().st_size for path in archive.files()) / 2
    assert Decimal(audit["billed_micros"]) / 1_000_000 == PRICE
    assert audit["accepted"] == 2 * len(FILMS)
    assert audit["duplicates"] == audit["unread"] == audit["key_leaks"] == 0
    assert audit["requests"].get("ticket", 0) == audit["requests"].get("put", 0) == 0
    assert {urlsplit(one["video"]).netloc for one in asked} <= {"", urlsplit(s3_server.url).netloc}
    assert again.report["videos"]["unchanged"] == len(FILMS) + 1
    assert again.report["videos"]["bytes_read"] == 0

    found = paying.export()
    assert {uri for one in found for uri in one["uris"]} >= {
        f"s3://{bucket}/old reels/{film}" for film in FILMS
    }
    everything = "".join(one.out + one.err for one in (plan, run, again)) + paying("export").out
    stored = b"".join(path.read_bytes() for path in shell.folder.glob("reelcat.db*"))
    for secret in (KEY, s3_server.secret_key, "X-Amz-Signature", "X-Amz-Credential"):
        assert secret not in everything
        assert secret.encode() not in stored
