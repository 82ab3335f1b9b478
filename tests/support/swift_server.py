"""A real S3 server for tests: OpenStack Swift with its s3api, from PyPI, on loopback ports.

Real signatures, expiry, versions and ranges, started by any user in a few seconds. `python
swift_server.py FOLDER` serves until its stdin closes and says where in one line of JSON. In tests:

    from swift_server import s3_server  # in a conftest

The `s3_server` fixture is one server per test process, stopped when the process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SERVICES = ("account", "container", "object")

COMMON = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {etc}
devices = {devices}
mount_check = false
disable_fallocate = true
workers = 0
log_level = ERROR
"""

STORAGE = (
    COMMON
    + """\
[pipeline:main]
pipeline = {service}-server
[app:{service}-server]
use = egg:swift#{service}
"""
)

FILTERS = (
    "catch_errors gatekeeper healthcheck listing_formats bulk s3api tempauth copy slo dlo"
    " versioned_writes symlink"
)
SETTINGS = {
    "s3api": "location = us-east-1\ndns_compliant_bucket_names = false",
    "tempauth": "user_test_tester = testing .admin\nuser_test_stranger = secret",
    "versioned_writes": "allow_object_versioning = true",
}

PROXY = (
    COMMON
    + "[pipeline:main]\npipeline = "
    + FILTERS
    + " proxy-server\n"
    + "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
    + "".join(
        f"[filter:{name}]\nuse = egg:swift#{name}\n{SETTINGS.get(name, '')}\n"
        for name in FILTERS.split()
    )
)

SWIFT = """\
[swift-hash]
swift_hash_path_prefix = reelcat
swift_hash_path_suffix = tests
[storage-policy:0]
name = gold
default = yes
"""


@dataclass(kw_only=True)
class SwiftServer:
    """A running server and the credentials of the one account that owns its buckets."""

    url: str
    access_key: str = "test:tester"
    secret_key: str = "testing"
    #: A second account, which owns nothing and may see nothing of the first.
    stranger_access_key: str = "test:stranger"
    stranger_secret_key: str = "secret"
    process: subprocess.Popen[bytes] = field(repr=False)

    @classmethod
    def start(cls, folder: Path) -> SwiftServer:
        """Start one in a folder whose file system keeps extended attributes, as most do."""
        for _ in range(3):  # another process may take a port between choosing and binding it
            process = subprocess.Popen(
                [sys.executable, __file__, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=(folder / "swift.log").open("ab"),
            )
            line = process.stdout.readline()
            if line:
                return cls(process=process, **json.loads(line))
            process.wait()
        raise RuntimeError((folder / "swift.log").read_text())

    def environment(self) -> dict[str, str]:
        """What boto3 of another process needs to find this server."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """Somebody who owns the buckets, for filling them."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def stop(self) -> None:
        """Close its stdin, upon which it ends its own children, and wait for it."""
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


@functools.cache
def running_server() -> SwiftServer:
    """Return this test process's server; xdist's workers have one each."""
    folder = Path(tempfile.mkdtemp(prefix="reelcat-swift-", dir=folder_with_attributes()))
    server = SwiftServer.start(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.stop)
    return server


@pytest.fixture(scope="session")
def s3_server() -> SwiftServer:
    """A real S3 server, shared by all tests of the process: make your own bucket."""
    return running_server()


def folder_with_attributes() -> Path:
    """Return a folder for temporary files that keeps extended attributes; memory if it does."""
    for folder in (Path("/dev/shm"), Path(tempfile.gettempdir()), Path("/var/tmp")):
        with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=folder) as file:
            os.setxattr(file.fileno(), "user.reelcat", b"1")
            return folder
    pytest.skip("no folder for temporary files keeps extended attributes, which Swift needs")


def serve(folder: Path) -> None:
    """Configure, fork one process a service, report, and wait for the parent to go."""
    ports = dict(zip((*SERVICES, "proxy"), free_ports(4), strict=True))
    configure(folder, ports)
    children = [fork_service(folder, service) for service in ports]
    try:
        for port in ports.values():
            wait_for(port, children)
        sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{ports['proxy']}"}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
        for child in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def configure(folder: Path, ports: dict[str, int]) -> None:
    """Write rings and configurations; one disk, one copy of everything."""
    from swift.common.ring import RingBuilder

    etc = folder / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    (folder / "devices" / "d1").mkdir(parents=True, exist_ok=True)
    (etc / "swift.conf").write_text(SWIFT)
    user = pwd.getpwuid(os.getuid()).pw_name
    for service, port in ports.items():
        template = PROXY if service == "proxy" else STORAGE
        text = template.format(
            service=service, port=port, user=user, etc=etc, devices=folder / "devices"
        )
        (etc / f"{service}-server.conf").write_text(text)
    for service in SERVICES:
        builder = RingBuilder(part_power=1, replicas=1, min_part_hours=0)
        device = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": ports[service]}
        builder.add_dev({**device, "device": "d1", "weight": 1.0, "id": 0})
        builder.rebalance()
        builder.get_ring().save(str(etc / f"{service}.ring.gz"))


def fork_service(folder: Path, service: str) -> int:
    """Run one service in a child; return its process id."""
    from swift.common.wsgi import run_wsgi

    child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = run_wsgi(str(folder / "etc" / f"{service}-server.conf"), f"{service}-server")
    finally:
        os._exit(code or 0)


def wait_for(port: int, children: list[int]) -> None:
    """Return when a port answers; exit when a child has died instead."""
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        for child in children:
            if os.waitpid(child, os.WNOHANG)[0]:
                sys.exit(f"a service of Swift ended before it answered on port {port}")
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on at this moment.

    They lie below those that systems give to outgoing connections, so that none of these takes one
    before its server, which may need seconds to start, listens there.
    """
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            port = random.SystemRandom().randrange(10_000, 32_000)
            one = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                found.append(port)
        return found


if __name__ == "__main__":
    serve(Path(sys.argv[1]).resolve())
