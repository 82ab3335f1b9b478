"""Places where tests put files: a folder, a bucket of a real S3 server, a web server.

Fixtures to import into a conftest. boto3 is pointed at profiles of its own, never at the machine's.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

import pytest
from range_server import RangeServer, WebFile
from swift_server import SwiftServer

from tasks.storage.registry import Stores
from tasks.storage.store import S3Options, StoreOptions
from tasks.storage.uris import file_uri, path_of, s3_uri, split_s3

#: Profiles with temporary credentials, and when those expire.
TEMPORARY = {"expired": "-1 hour", "dying": "+5 minutes", "temporary": "+2 hours"}


class FolderPlace:
    """Files in a folder."""

    #: Whether the place says which bytes it holds, so that a change of the same size is seen.
    has_etags = False
    counts_requests = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.stores = Stores()

    def put(self, name: str, data: bytes) -> str:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return file_uri(path)

    def remove(self, uri: str) -> None:
        path_of(uri).unlink()


class BucketPlace:
    """Objects in a bucket of their own."""

    has_etags = True
    counts_requests = True

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.client = stores._s3_clients.get().main
        self.bucket = f"films-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=self.bucket)

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}"

    def put(self, name: str, data: bytes = b"x") -> str:
        self.client.put_object(Bucket=self.bucket, Key=name, Body=data)
        return s3_uri(self.bucket, name)

    def remove(self, uri: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=split_s3(uri)[1])


class WebPlace:
    """Files on a web server."""

    has_etags = True
    counts_requests = True

    def __init__(self, server: RangeServer) -> None:
        self._server = server
        self.stores = Stores()

    def put(self, name: str, data: bytes) -> str:
        self._server.files[name] = WebFile(data=data)
        return f"{self._server.url}/{name}"

    def remove(self, uri: str) -> None:
        del self._server.files[uri.removeprefix(f"{self._server.url}/")]


@pytest.fixture(scope="session")
def aws_profiles(tmp_path_factory, s3_server: SwiftServer):
    """Profiles for boto3: `tester` owns buckets, the others have something wrong with them."""
    folder = tmp_path_factory.mktemp("aws")
    keys = {
        "tester": (s3_server.access_key, s3_server.secret_key),
        "stranger": (s3_server.stranger_access_key, s3_server.stranger_secret_key),
        "wrong-secret": (s3_server.access_key, "not-the-secret"),
        "unknown-key": ("test:nobody", "whatever"),
    }
    temporary = {
        "Version": 1,
        "AccessKeyId": s3_server.access_key,
        "SecretAccessKey": s3_server.secret_key,
        "SessionToken": "temporary",
    }
    # Lives for twenty minutes, and when it is renewed for twelve hours.
    renewable = folder / "renewable.sh"
    text = json.dumps({**temporary, "Expiration": "WHEN"})
    renewable.write_text(
        "#!/bin/sh\n"
        f"life='+20 minutes'; [ -e {folder}/renewed ] && life='+12 hours'; touch {folder}/renewed\n"
        f'echo \'{text}\' | sed "s/WHEN/$(date -u -d "$life" +%Y-%m-%dT%H:%M:%SZ)/"\n'
    )
    renewable.chmod(0o700)
    lines = ["[profile empty]", "[profile renewable]", f"credential_process = {renewable}"]
    for name, expiration in TEMPORARY.items():
        script = folder / f"{name}.sh"
        text = json.dumps({**temporary, "Expiration": "WHEN"})
        when = f"$(date -u -d '{expiration}' +%Y-%m-%dT%H:%M:%SZ)"
        script.write_text(f"#!/bin/sh\necho '{text}' | sed \"s/WHEN/{when}/\"\n")
        script.chmod(0o700)
        lines += [f"[profile {name}]", f"credential_process = {script}"]
    (folder / "config").write_text("\n".join(lines))
    (folder / "credentials").write_text(
        "".join(
            f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
            for name, (key, secret) in keys.items()
        )
    )
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        environment.setenv("AWS_CONFIG_FILE", str(folder / "config"))
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def s3_options(s3_server: SwiftServer, aws_profiles) -> S3Options:
    """The options that lead to the server as the owner of its buckets."""
    return S3Options(
        endpoint_url=s3_server.url, region="us-east-1", profile="tester", max_attempts=2
    )


@pytest.fixture(scope="session")
def s3_stores(s3_options: S3Options) -> Stores:
    """Stores shared by all tests of the process: making a boto3 client takes longer than a test."""
    return Stores(StoreOptions(s3=s3_options))


@pytest.fixture
def bucket(s3_stores: Stores) -> BucketPlace:
    """An empty bucket."""
    return BucketPlace(s3_stores)


@pytest.fixture
def web_server():
    """A web server without files."""
    server = RangeServer()
    yield server
    server.close()
