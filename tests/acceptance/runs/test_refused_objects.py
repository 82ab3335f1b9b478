"""A bucket in which some objects are nobody's to read: each is told, and the rest is described."""

from __future__ import annotations

import pytest
from canned_s3 import CannedBucket, CannedS3, Refusal
from command import sandbox_of

pytestmark = pytest.mark.slow

KEYS = (
    "2008/vault-1.mp4",
    "2008/vault-2.mp4",
    "2009/denied.mp4",
    "2009/film-5s.mp4",
    "2009/kms.mp4",
)


def test_what_is_archived_or_denied_is_told_counted_and_priced_apart(shell, archive):
    film = archive.put("film-5s.mp4").read_bytes()
    shelf = CannedBucket(
        keys=KEYS,
        bodies=dict.fromkeys(KEYS, film),
        classes={KEYS[0]: "GLACIER", KEYS[1]: "DEEP_ARCHIVE"},
        refusals={
            "2009/denied.mp4": Refusal(status=403, code="AccessDenied"),
            "2009/kms.mp4": Refusal(status=400, code="KMS.DisabledException"),
        },
    )
    with CannedS3(shelf) as server, sandbox_of(shell) as sandbox:
        place = {
            "AWS_ENDPOINT_URL_S3": server.url,
            "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "REELCAT_S3_REQUESTER_PAYS": "true",
        }
        paying = shell.having(**place, **sandbox.environment())
        plan = paying("plan", "s3://films", "--budget", "1", "--json")

    assert plan.code == 1
    report = plan.report
    assert report["videos"]["found"] == 5
    assert report["videos"]["archived"] == 2
    assert report["videos"]["unreadable"] == 2
    assert report["money"]["quoted_usd"] == "0.01"  # two tasks of the one that can be read
    reasons = {one["what"]: one["reason"] for one in report["failures"]}
    assert set(reasons) == {"s3://films/2009/denied.mp4", "s3://films/2009/kms.mp4"}
    assert "ask for s3:ListBucket and s3:GetObject" in reasons["s3://films/2009/denied.mp4"]
    assert "the KMS key that encrypts it cannot be used" in reasons["s3://films/2009/kms.mp4"]
    [notice] = [one for one in report["notices"] if "archive class" in one]
    assert notice.startswith("2 objects lie in an archive class")
    assert "for $0.24 a task at most" in notice
    asked = {key for _, key, *_ in shelf.asked}
    assert asked.isdisjoint({KEYS[0], KEYS[1]})
    # Every request agrees to pay: by its header, or, where a link is followed, by its signed query.
    assert {
        headers.get("x-amz-request-payer") or query["x-amz-request-payer"][0]
        for *_, query, headers in shelf.asked
    } == {"requester"}
