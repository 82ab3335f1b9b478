"""boto3 clients, set up for many objects and for links that others can follow.

boto3 finds credentials and endpoint itself. Whether there are credentials is told as far as that
can be without asking a network.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import boto3
import botocore.session
import botocore.utils
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from catalog.errors import SettingsError
from tasks.network.connections import require_certificates
from tasks.network.proxies import proxies_of_environment
from tasks.storage.s3.errors import EndpointInvalid, NotAsSet
from tasks.storage.s3.read_limits import bound
from tasks.storage.store import S3Options

#: Ask an address of the machine's surroundings, which outside a cloud takes seconds to not answer.
_ASK_AROUND = ("container-role", "iam-role")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Credentials that are there."""

    #: The place of boto3's chain that has them, such as `env`.
    method: str
    #: None for those that last until somebody takes them back.
    expires_at: datetime | None


def find() -> Found | None:
    """Look along boto3's chain; None if there are no credentials."""
    session = botocore.session.Session()
    chain = session.get_component("credential_provider")
    for name in _ASK_AROUND:
        chain.remove(name)
    try:
        found = chain.load_credentials()
    except BotoCoreError:
        return None
    if found is None:
        return None
    return Found(
        method=str(found.method),
        # botocore keeps the moment to itself and offers no other way to ask.
        expires_at=getattr(found, "_expiry_time", None),
    )


#: Passed to `generate_presigned_url` as if S3 knew it: a dict of further parameters of the query.
#: S3 ignores those that begin with `x-`, writes them into its access log, and counts them when it
#: checks the signature.
QUERY = "ReelcatQuery"

#: Passed to `get_object` in the same way: a link that is followed instead of a request of our own.
LINK = "ReelcatLink"

#: Where boto3 finds whom to trust.
_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")

#: How long before their end botocore renews credentials by itself.
_BOTOCORE_RENEWS = timedelta(minutes=15)
#: Credentials that never live as long as a link should are not asked for again and again.
_RENEW_EVERY_SECONDS = 300.0


class S3Clients:
    """One session, its main client, and one client for every region that links must lead to."""

    def __init__(self, options: S3Options) -> None:
        self._options = options
        self._session = _session(options)
        self._lock = threading.Lock()
        self._renewed_at: float | None = None
        self._regions: dict[str, str] = {}
        self._signing: dict[str, Any] = {}
        self.main = self._new_client(region=options.region, style=options.addressing_style)

    def credentials(self, *, good_for: timedelta) -> Any:
        """Return botocore's credentials; None if there are none.

        Those that expire sooner than `good_for` are renewed, if they can be and were not just now:
        some cannot live as long as is asked for.
        """
        found = self._session.get_credentials()
        if found is None:
            return None
        if isinstance(found, RefreshableCredentials) and self._may_renew():
            # botocore renews in the last quarter of an hour of a life; a link needs more.
            found._advisory_refresh_timeout = max(  # noqa: SLF001 - there is no other way to ask
                _BOTOCORE_RENEWS.total_seconds(), good_for.total_seconds()
            )
            try:
                found.get_frozen_credentials()
            finally:
                found._advisory_refresh_timeout = _BOTOCORE_RENEWS.total_seconds()  # noqa: SLF001
        found.get_frozen_credentials()
        return found

    def _may_renew(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if self._renewed_at is not None and now - self._renewed_at < _RENEW_EVERY_SECONDS:
                return False
            self._renewed_at = now
            return True

    def signing(self, bucket: str) -> Any:
        """Return the client whose links lead straight to a bucket.

        A request is redirected to the bucket's region, a link is signed for one host and cannot be.
        With AWS that host must name both region and bucket, which `auto` does not do.
        """
        if not _is_amazon(self.main):
            return self.main
        style = self._options.addressing_style
        with self._lock:
            if bucket not in self._regions:
                self._regions[bucket] = _region_of(self.main, bucket)
            region = self._regions[bucket]
            if region not in self._signing:
                self._signing[region] = self._new_client(
                    region=region, style="virtual" if style == "auto" else style
                )
            return self._signing[region]

    def _new_client(self, *, region: str | None, style: str) -> Any:
        try:
            client = self._session.client(
                "s3",
                region_name=region,
                endpoint_url=self._options.endpoint_url,
                config=_config(self._options, style),
            )
            client = self._as_proxies_say(client, region=region, style=style)
        except ValueError as error:
            raise EndpointInvalid from error
        bound(client)
        client.meta.events.register("provide-client-params.s3.GetObject", _take_query)
        client.meta.events.register("before-sign.s3.GetObject", _add_query)
        return client

    def _as_proxies_say(self, client: Any, *, region: str | None, style: str) -> Any:
        """Ask directly what the environment names for it; boto3 knows no ranges of addresses."""
        endpoint = client.meta.endpoint_url
        proxies = proxies_of_environment()
        try:
            proxies.proxy_for(endpoint)
            if endpoint.startswith("https:"):
                for variable in _BUNDLES:
                    require_certificates(variable)
        except SettingsError as error:
            raise NotAsSet(str(error)) from None
        if proxies.named_for(endpoint) is not None or not proxies.by_scheme:
            return client
        config = _config(self._options, style).merge(Config(proxies={}))
        return self._session.client(
            "s3", region_name=region, endpoint_url=self._options.endpoint_url, config=config
        )

    def ca_bundle(self) -> str | None:
        """Return the file of certificates that the surroundings name; None if they do not."""
        bundle: str | None = self._session._session.get_config_variable("ca_bundle")  # noqa: SLF001
        return bundle


@functools.lru_cache(maxsize=8)
def following_client(options: S3Options, ca_bundle: str | None) -> Any:
    """Return a client that signs nothing and follows links, and that looks for no credentials."""
    core = botocore.session.Session()
    core.set_config_variable("config_file", os.devnull)
    core.set_config_variable("credentials_file", os.devnull)
    client = boto3.Session(botocore_session=core).client(
        "s3",
        region_name="us-east-1",  # of no account: the link has its own
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106 - so that none is looked for
        verify=ca_bundle,
        config=_config(options, "path").merge(Config(signature_version=UNSIGNED)),
    )
    client.meta.events.register("provide-client-params.s3.GetObject", _take_link)
    client.meta.events.register("before-sign.s3.GetObject", _follow_link)
    return client


def _session(options: S3Options) -> boto3.Session:
    core = botocore.session.Session(profile=options.profile)
    # Reading a listing's times takes botocore's own parser longer than all the rest of it.
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_instant)
    return boto3.Session(botocore_session=core)


def _instant(value: Any) -> datetime:
    """Read a timestamp; the form that S3 uses in listings is read quickly."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    instant: datetime = botocore.utils.parse_timestamp(value)
    return instant


def _config(options: S3Options, style: str) -> Config:
    return Config(
        # boto3 still signs links the old way by default, which ignores versions and regions.
        signature_version="s3v4",
        s3={"addressing_style": style},
        retries={"mode": "adaptive", "total_max_attempts": options.max_attempts},
        connect_timeout=options.connect_timeout_seconds,
        read_timeout=options.read_timeout_seconds,
        max_pool_connections=options.max_connections,
        # Parts of an object have no checksum of their own, and other servers reject being asked.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _take_query(params: dict[str, Any], context: dict[str, Any], **_: Any) -> dict[str, Any]:
    context[QUERY] = params.get(QUERY)
    return {name: value for name, value in params.items() if name != QUERY}


def _add_query(request: Any, **_: Any) -> None:
    query = request.context.get(QUERY)
    if query:
        joint = "&" if "?" in request.url else "?"
        request.url += joint + urlencode(query)


def _take_link(params: dict[str, Any], context: dict[str, Any], **_: Any) -> dict[str, Any]:
    context[LINK] = params[LINK]
    return {name: value for name, value in params.items() if name != LINK}


def _follow_link(request: Any, **_: Any) -> None:
    request.url = request.context[LINK]


def _is_amazon(client: Any) -> bool:
    return ".amazonaws.com" in client.meta.endpoint_url


def _region_of(client: Any, bucket: str) -> str:
    """Ask where a bucket is; even a refusal says so. The client's own region if it does not."""
    try:
        answer = client.head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    region: str = headers.get("x-amz-bucket-region") or client.meta.region_name
    return region
