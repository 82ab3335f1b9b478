import pytest
from botocore import exceptions as aws

from tasks.storage.errors import (
    FileArchived,
    FileChanged,
    FileForbidden,
    FileUnreadable,
    FileVanished,
    ReadInterrupted,
    StoreRefused,
    StoreUnreachable,
)
from tasks.storage.s3.errors import body_error, file_error, source_error
from tasks.storage.s3.objects import class_to_meet


def answer(code: str, status: int, message: str | None = "leaked detail") -> aws.ClientError:
    body = {"Error": {"Code": code, "Message": message}}
    return aws.ClientError(body | {"ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer("NoSuchKey", 404), FileVanished),
        (answer("NoSuchVersion", 404), FileVanished),
        (answer("404", 404, None), FileVanished),
        (answer("MethodNotAllowed", 405), FileVanished),
        (answer("PreconditionFailed", 412), FileChanged),
        (answer("InvalidRange", 416), FileChanged),
        (answer("InvalidObjectState", 403), FileArchived),
        (answer("AccessDenied", 403), FileForbidden),
        (answer("403", 403, None), FileForbidden),
        (answer("ExpiredToken", 400), StoreRefused),
        (answer("SignatureDoesNotMatch", 403), StoreRefused),
        (answer("SlowDown", 503), StoreUnreachable),
        (answer("InternalError", 500), StoreUnreachable),
        (answer("TooManyRequests", 429), StoreUnreachable),
        (answer("InvalidArgument", 400), FileUnreadable),
        (answer("KMS.DisabledException", 400), FileForbidden),
        (answer("KMS.KMSInvalidStateException", 400), FileForbidden),
        (answer("KMS.ThrottlingException", 400), StoreUnreachable),
        (aws.EndpointConnectionError(endpoint_url="http://leaked"), StoreUnreachable),
        (aws.ConnectTimeoutError(endpoint_url="http://leaked"), StoreUnreachable),
        (aws.NoCredentialsError(), StoreRefused),
        (aws.ProfileNotFound(profile="x"), StoreRefused),
        (aws.ParamValidationError(report="x"), FileUnreadable),
    ],
)
def test_each_answer_of_s3_is_one_kind_of_trouble_and_keeps_its_words_to_itself(error, kind):
    trouble = file_error("s3://b/k.mp4", error)
    assert type(trouble) is kind
    assert "leaked" not in str(trouble)


def test_an_answer_that_breaks_off_may_be_asked_for_again():
    trouble = body_error("s3://b/k", aws.ReadTimeoutError(endpoint_url="http://e"))
    assert type(trouble) is ReadInterrupted


def test_every_sentence_about_a_source_says_what_to_do():
    for code in ("NoSuchBucket", "AccessDenied", "Strange", "PermanentRedirect"):
        assert "; " in str(source_error("s3://b", answer(code, 400, None)))


@pytest.mark.parametrize(
    ("storage_class", "restored", "expected"),
    [
        ("GLACIER", False, "GLACIER"),
        ("DEEP_ARCHIVE", True, None),
        ("STANDARD", False, "STANDARD"),
        ("STANDARD", True, "STANDARD"),
        (None, False, None),
    ],
)
def test_a_restored_object_counts_as_readable(storage_class, restored, expected):
    assert class_to_meet(storage_class, restored=restored) == expected
