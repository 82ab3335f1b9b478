"""What boto3's many errors mean to us, and one sentence for each.

boto3's own texts may hold an endpoint's address or a header; ours never do.
"""

from __future__ import annotations

from typing import Any

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError as TransportError

from catalog.errors import SourceError
from tasks.storage.errors import (
    FileArchived,
    FileChanged,
    FileForbidden,
    FileUnreadable,
    FileVanished,
    ReadInterrupted,
    StoreError,
    StoreRefused,
    StoreUnreachable,
)


class EndpointInvalid(Exception):
    """The endpoint is no address; boto3 says so with a bare ValueError."""


#: What boto3 fails with where an answer is not what S3 answers.
_NONSENSE = (ResponseParserError, ValueError, KeyError, OverflowError)

#: What to catch around any call of boto3. RuntimeError: renewed credentials are expired again.
S3_ERRORS = (
    *(aws.BotoCoreError, aws.ClientError, TransportError, EndpointInvalid, RuntimeError),
    *_NONSENSE,
)

_NO_ANSWER = (aws.HTTPClientError, aws.ConnectionError, TransportError)

_FORBIDDEN = (
    "access denied; ask for s3:ListBucket and s3:GetObject on it, and for kms:Decrypt if a key of "
    "KMS encrypts it"
)
_KEY_GONE = "the KMS key that encrypts it cannot be used ({code}); ask its owner to enable it"
_KEY_BUSY = "KMS is asked too often for the key that encrypts it; run again later"
_EXPIRED = "the S3 session token has expired; log in again"
_ELSEWHERE = "the bucket is in another region; set AWS_REGION to it"

_BY_CODE = {
    "NoSuchBucket": "there is no such bucket; check its name and the endpoint",
    "NoSuchKey": "there is no such object; check its name",
    "InvalidBucketName": "this is no name for a bucket; check it",
    "PermanentRedirect": _ELSEWHERE,
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "InvalidAccessKeyId": "the S3 access key is unknown; check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the S3 secret key is wrong; check AWS_SECRET_ACCESS_KEY",
    "InvalidToken": "the S3 session token is not valid; check AWS_SESSION_TOKEN",
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it, S3 signatures depend on it",
    "AccessDenied": _FORBIDDEN,
    "403": _FORBIDDEN,  # a HEAD has no body that could say more
}

#: The first that fits; what is not here is named by its class.
_BY_KIND: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (
        (aws.NoCredentialsError, aws.PartialCredentialsError),
        "no S3 credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret",
    ),
    (RuntimeError, "the S3 credentials have expired and cannot be renewed; log in again"),
    (aws.ProfileNotFound, "there is no such AWS profile; check AWS_PROFILE"),
    (aws.ParamValidationError, "this is no name for a bucket and a key; check it"),
    (aws.SSLError, "the S3 endpoint's certificate is not trusted; check AWS_CA_BUNDLE"),
    (
        _NO_ANSWER,
        "the S3 endpoint does not answer; check AWS_ENDPOINT_URL_S3 and the network",
    ),
    (EndpointInvalid, "the S3 endpoint is no address; check AWS_ENDPOINT_URL_S3"),
)

_KINDS: dict[str, type[StoreError]] = {
    "InvalidObjectState": FileArchived,
    "PreconditionFailed": FileChanged,
    "InvalidRange": FileChanged,
    "412": FileChanged,
    "416": FileChanged,
    "SlowDown": StoreUnreachable,
    "RequestTimeout": StoreUnreachable,
    "AccessDenied": FileForbidden,
    "403": FileForbidden,
    "InvalidAccessKeyId": StoreRefused,
    "SignatureDoesNotMatch": StoreRefused,
    "InvalidToken": StoreRefused,
    "ExpiredToken": StoreRefused,
    "ExpiredTokenException": StoreRefused,
    "RequestTimeTooSkewed": StoreRefused,
}

_SPEAK_FOR_THEMSELVES = frozenset({FileArchived, FileChanged, FileVanished})

_BROKEN_OFF = (
    aws.IncompleteReadError,
    aws.ResponseStreamingError,
    aws.ReadTimeoutError,
    aws.ConnectionClosedError,
    TransportError,
)


def source_error(label: str, error: Exception) -> SourceError:
    """Say why a bucket cannot be listed."""
    return SourceError(label, f"{reason_of(error)}.")


def file_error(uri: str, error: Exception) -> StoreError:
    """Say why one object cannot be looked at, read or linked to."""
    if isinstance(error, aws.ClientError):
        kind = _kind_of_answer(error)
    elif isinstance(error, (*_NO_ANSWER, EndpointInvalid)) or is_nonsense(error):
        kind = StoreUnreachable
    elif isinstance(error, aws.ParamValidationError):
        kind = FileUnreadable
    else:  # no credentials, expired ones, no such profile
        kind = StoreRefused
    return kind(uri, None if kind in _SPEAK_FOR_THEMSELVES else reason_of(error))


def _kind_of_answer(error: aws.ClientError) -> type[StoreError]:
    code, status = code_of(error), status_of(error)
    if code in _KINDS:
        return _KINDS[code]
    if code.startswith("KMS."):
        return StoreUnreachable if "Throttling" in code else FileForbidden
    if status >= 500 or status == 429:
        return StoreUnreachable
    return FileVanished if status in {404, 405} else FileUnreadable  # 405: a delete marker


def body_error(uri: str, error: Exception) -> StoreError:
    """Say why an answer that had begun well did not end well."""
    if isinstance(error, _BROKEN_OFF):
        return ReadInterrupted(uri, "the S3 endpoint broke off its answer; check the network")
    return file_error(uri, error)


def reason_of(error: Exception) -> str:
    """Return one clause that ends in what to do."""
    if isinstance(error, aws.ClientError):
        code = code_of(error)
        if code.startswith("KMS."):
            return _KEY_BUSY if "Throttling" in code else _KEY_GONE.format(code=code)
        return _BY_CODE.get(code, f"S3 answered {code} (HTTP {status_of(error)}); try again later")
    for kinds, reason in _BY_KIND:
        if isinstance(error, kinds):
            return reason
    if is_nonsense(error):
        return "the S3 endpoint's answer makes no sense; check AWS_ENDPOINT_URL_S3"
    return f"S3 cannot be used ({type(error).__name__}); check the AWS settings"


def is_nonsense(error: Exception) -> bool:
    """Whether an answer could not be read; some of botocore's own errors have the same bases."""
    return isinstance(error, _NONSENSE) and not isinstance(error, aws.BotoCoreError)


def code_of(error: aws.ClientError) -> str:
    """Return S3's error code; its message may be missing and is never shown."""
    return str(error.response.get("Error", {}).get("Code", "nothing"))


def status_of(error: aws.ClientError) -> int:
    """Return the HTTP status; 0 if there was none."""
    metadata: dict[str, Any] = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode", 0))
