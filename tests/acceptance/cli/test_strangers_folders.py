"""A stranger's folder: what lies in it decides nothing, and no secret leaves the machine.

A stranger is made with the modes of files, which needs no rights, and with other owners where the
tests are root's. Whoever listens at a stranger's address is the witness.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

KEY = "wsk_of_the_environment"
STRANGER = 65534


@dataclass
class Listener:
    """An address that notes what it is sent, and never answers."""

    port: int
    heard: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = Listener(port=server.getsockname()[1])

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(5)
                    try:
                        found.heard.append(connection.recv(65536))
                    except OSError:
                        found.heard.append(b"")

        threading.Thread(target=listen, daemon=True).start()
        yield found
        server.shutdown(socket.SHUT_RDWR)


def of_a_stranger(path: Path) -> None:
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


def in_a_strangers_folder(path: Path) -> None:
    of_a_stranger(path.parent)


def writable_by_anybody(path: Path) -> None:
    path.chmod(0o646)


def writable_by_a_group(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, 0, STRANGER)
    path.chmod(0o664)


def in_a_folder_for_anybody(path: Path) -> None:
    path.parent.chmod(0o757)


def in_a_sticky_folder(path: Path) -> None:
    path.parent.chmod(0o1777)


def a_link_to_a_strangers_file(path: Path) -> None:
    far = path.parent / "far"
    far.mkdir(mode=0o777)
    far.chmod(0o777)
    path.rename(far / "file")
    path.symlink_to(far / "file")


def a_strangers_link(path: Path) -> None:
    path.rename(path.with_name("mine"))
    path.symlink_to("mine")
    of_a_stranger(path)


roots = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
in_a_group = pytest.mark.skipif(
    os.geteuid() != 0, reason="the user's group may be the user's alone"
)
STRANGE = [
    pytest.param(of_a_stranger, marks=roots),
    pytest.param(in_a_strangers_folder, marks=roots),
    pytest.param(a_strangers_link, marks=roots),
    pytest.param(writable_by_a_group, marks=in_a_group),
    writable_by_anybody,
    in_a_folder_for_anybody,
    in_a_sticky_folder,
    a_link_to_a_strangers_file,
]
strange = pytest.mark.parametrize("estrange", STRANGE)
Estrange = Callable[[Path], None]

DECIDING = {
    ".env": [
        "WAVESPEED_API_KEY=wsk_theirs",
        "wavespeed_base_url=http://127.0.0.1:9",
        "export REELCAT_DATABASE_URL='sqlite:///theirs.db'",
        "AWS_ACCESS_KEY_ID=theirs",
        "AWS_PROFILE=theirs",
        "AWS_ENDPOINT_URL_S3=http://127.0.0.1:9",
        "REELCAT_WAVESPEED_API_KEY=wsk_theirs",
    ],
    "reelcat.toml": [
        'wavespeed_api_key = "wsk_theirs"',
        'WAVESPEED_BASE_URL = "http://127.0.0.1:9"',
        'database_url = "sqlite:///theirs.db"',
        "not toml [",
    ],
}


@strange
@pytest.mark.parametrize("name", DECIDING)
def test_a_file_that_others_can_change_decides_nothing_and_the_run_says_so(shell, estrange, name):
    path = shell.folder / name
    path.write_text(DECIDING[name][0])
    estrange(path)
    for command in (("run", "."), ("status",)):
        ended = shell(*command)
        assert (ended.code, ended.out) == (2, "")
        assert f"{name} was not read: " in ended.err
    assert not list(shell.folder.glob("*.db"))

    told = json.loads(shell("config", "--json").out)
    assert {one["source"] for one in told["settings"]} == {"default"}
    assert [said for said in told["unread"] if said.startswith(f"{name} was not read: ")]
    found = json.loads(shell("doctor", "--json").out)["findings"]
    assert any(
        one["verdict"] == "problem" and f"{name} was not read" in one["said"] for one in found
    )


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in DECIDING.items() for text in texts]
)
def test_each_file_that_would_have_set_key_address_or_catalog_ends_the_run(shell, name, text):
    (shell.folder / name).write_text(text)
    writable_by_anybody(shell.folder / name)
    ended = shell("run", ".")
    assert (ended.code, ended.out) == (2, "")
    assert f"{name} was not read: it can be written by anybody." in ended.err


@pytest.mark.parametrize("text", ["REELCAT_TIER=gold", "WAVESPEED_API_KEY=", "POSTGRES_DB=x", ""])
def test_a_run_goes_on_without_a_file_that_decides_nothing(shell, text):
    (shell.folder / ".env").write_text(text)
    writable_by_anybody(shell.folder / ".env")
    ended = shell("run", ".", "--json")
    assert ended.code == 0, ended.err
    assert ".env was not read" in " ".join(json.loads(ended.out)["notices"])
    tier = {
        one["name"]: one["value"] for one in json.loads(shell("config", "--json").out)["settings"]
    }
    assert tier["REELCAT_TIER"] == "silver"


def test_what_the_environment_says_makes_a_strangers_file_decide_nothing(shell, monkeypatch):
    (shell.folder / ".env").write_text("REELCAT_DATABASE_URL=sqlite:///theirs.db")
    writable_by_anybody(shell.folder / ".env")
    monkeypatch.setenv("REELCAT_DATABASE_URL", "sqlite:///mine.db")
    assert shell("run", ".").code == 0
    assert (shell.folder / "mine.db").is_file()


def test_a_file_that_only_the_users_own_group_may_write_is_the_users(shell, tmp_path):
    group = os.getgid()
    import grp
    import pwd

    person = pwd.getpwuid(os.geteuid())
    if grp.getgrgid(group).gr_name != person.pw_name:
        pytest.skip("this user has no group of its own")
    tmp_path.chmod(0o770)
    (shell.folder / ".env").write_text("REELCAT_TIER=gold")
    (shell.folder / ".env").chmod(0o664)
    assert "gold" in shell("config").out


def test_a_pipe_or_a_huge_file_is_not_waited_for(shell):
    os.mkfifo(shell.folder / ".env")
    (shell.folder / "reelcat.toml").symlink_to(os.devnull)
    ended = shell("status")
    assert (ended.code, ".env cannot be read: it is no regular file" in ended.err) == (2, True)
    (shell.folder / ".env").unlink()
    with (shell.folder / ".env").open("wb") as file:
        file.truncate(10**9)
    ended = shell("status")
    assert (ended.code, ".env cannot be read: it is larger" in ended.err) == (2, True)


@strange
@pytest.mark.parametrize("named", [None, "sqlite:///reelcat.db", "sqlite:////{here}/reelcat.db"])
def test_a_catalog_in_the_folder_that_others_can_change_is_not_used(
    shell, monkeypatch, estrange, named
):
    if named is not None:
        monkeypatch.setenv("REELCAT_DATABASE_URL", named.format(here=str(shell.folder)[1:]))
    assert shell("run", ".").code == 0
    estrange(shell.folder / "reelcat.db")
    before = (shell.folder / "reelcat.db").read_bytes()
    for command in (("run", "."), ("status",), ("export",), ("db", "current")):
        ended = shell(*command)
        assert (ended.code, ended.out) == (2, "")
        assert "is not used: " in ended.err
    assert (shell.folder / "reelcat.db").read_bytes() == before


def test_a_log_that_others_can_change_makes_the_catalog_one_that_they_can(shell):
    assert shell("run", ".").code == 0
    (shell.folder / "reelcat.db-wal").touch()
    (shell.folder / "reelcat.db-wal").chmod(0o666)
    assert shell("status").code == 2


def test_a_catalog_elsewhere_that_the_user_names_is_the_users_word(shell, monkeypatch, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("REELCAT_DATABASE_URL", f"sqlite:///{tmp_path}/shared.db")
    monkeypatch.chdir(work)
    assert shell("run", ".").code == 0
    (tmp_path / "shared.db").chmod(0o666)
    assert shell("status").code == 0

    monkeypatch.delenv("REELCAT_DATABASE_URL")
    (work / ".env").write_text(f"REELCAT_DATABASE_URL=sqlite:///{tmp_path}/shared.db")
    assert shell("status").code == 2


def test_the_key_of_the_environment_does_not_go_where_the_folder_says(shell, monkeypatch, listener):
    monkeypatch.setenv("WAVESPEED_API_KEY", KEY)
    for name, text in (
        (".env", f"WAVESPEED_BASE_URL={listener.url}\nREELCAT_ALLOW_HTTP=true"),
        ("reelcat.toml", f'wavespeed_base_url = "{listener.url}"'),
    ):
        (shell.folder / name).write_text(text)
        for command in (("run", "."), ("reconcile",)):
            ended = shell(*command)
            assert (ended.code, ended.out) == (2, "")
            assert "WAVESPEED_BASE_URL: " in ended.err
        found = json.loads(shell("doctor", "--json").out)["findings"]
        assert [one["what"] for one in found if one["verdict"] == "problem"] == ["account"]
        assert shell("config").code == 2
        (shell.folder / name).unlink()
    assert listener.heard == []


def test_the_key_of_a_file_goes_where_the_file_or_the_user_says(shell, monkeypatch, listener):
    (shell.folder / ".env").write_text(
        f"WAVESPEED_API_KEY=wsk_of_the_file\nWAVESPEED_BASE_URL={listener.url}\n"
    )
    shell("doctor")
    (shell.folder / ".env").write_text("WAVESPEED_API_KEY=wsk_of_the_file\n")
    monkeypatch.setenv("WAVESPEED_BASE_URL", listener.url)
    shell("doctor")
    assert len(listener.heard) >= 2
    assert all(b"Bearer wsk_of_the_file" in request for request in listener.heard)


def test_no_variable_of_the_environment_is_put_into_an_address_by_the_folder(
    shell, monkeypatch, listener
):
    monkeypatch.setenv("A_SECRET", KEY)
    (shell.folder / ".env").write_text(
        f"WAVESPEED_API_KEY=wsk_theirs\nWAVESPEED_BASE_URL={listener.url}/${{A_SECRET}}\n"
    )
    ended = shell("run", ".")
    assert ended.code == 2
    assert "takes A_SECRET from the environment" in ended.err
    assert listener.heard == []


def test_the_key_goes_over_http_only_where_that_was_allowed(shell, monkeypatch):
    monkeypatch.setenv("WAVESPEED_API_KEY", KEY)
    monkeypatch.setenv("WAVESPEED_BASE_URL", "http://api.example")
    ended = shell("run", ".")
    assert (ended.code, "write https" in ended.err) == (2, True)
    monkeypatch.setenv("REELCAT_ALLOW_HTTP", "true")
    assert shell("config").code == 0


def test_a_password_of_the_environment_does_not_go_to_a_server_that_the_folder_names(
    shell, monkeypatch, listener
):
    monkeypatch.setenv("PGPASSWORD", KEY)
    url = f"postgresql://me@127.0.0.1:{listener.port}/reelcat"
    (shell.folder / ".env").write_text(f"REELCAT_DATABASE_URL={url}")
    for command in (("run", "."), ("status",), ("db", "current")):
        ended = shell(*command)
        assert (ended.code, ended.out) == (2, "")
        assert "PGPASSWORD comes from the environment" in ended.err
    assert listener.heard == []


def test_credentials_of_the_environment_do_not_go_to_an_endpoint_that_the_folder_names(
    shell, monkeypatch, listener
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK_mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    (shell.folder / ".env").write_text(f"AWS_ENDPOINT_URL={listener.url}")
    ended = shell("run", "s3://films/")
    assert (ended.code, ended.out) == (2, "")
    assert "AWS_ENDPOINT_URL comes from .env" in ended.err
    assert listener.heard == []


def test_no_program_that_the_folder_names_is_run_for_credentials(shell, monkeypatch):
    monkeypatch.setenv("HOME", str(shell.folder / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (shell.folder / "evil").write_text(
        f"[default]\ncredential_process = touch {shell.folder}/was-run\n"
    )
    (shell.folder / ".env").write_text(
        "AWS_CONFIG_FILE=evil\nAWS_SHARED_CREDENTIALS_FILE=evil\nPREFECT_HOME=evil\n"
    )
    shell("run", "s3://films/")
    shell("doctor")
    assert not (shell.folder / "was-run").exists()
    assert "AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE, PREFECT_HOME of .env" in (
        shell("config").err
    )


@pytest.mark.parametrize("path", ["", ":{usual}", "{usual}:", ".:{usual}", "bin:{usual}"])
def test_no_program_that_lies_in_the_folder_is_taken_for_ffmpeg(shell, monkeypatch, path):
    monkeypatch.setenv("PATH", path.format(usual="/nowhere"))
    (shell.folder / "bin").mkdir()
    for place in (shell.folder, shell.folder / "bin"):
        for name in ("ffmpeg", "ffprobe"):
            (place / name).write_text(f"#!/bin/sh\ntouch {shell.folder}/was-run\n")
            (place / name).chmod(0o755)
    shell("doctor")
    assert not (shell.folder / "was-run").exists()


IMPORT = """
from flows.prefect_support.load import import_prefect
import_prefect()
from prefect.settings import get_current_settings
import os, pathlib
found = get_current_settings()
print(found.api.url, found.logging.level, found.home, os.getcwd(), sep="\\n")
"""


def test_prefect_is_told_nothing_by_the_files_of_the_folder(tmp_path):
    (tmp_path / ".env").write_text(
        "PREFECT_API_URL=http://127.0.0.1:9/api\nPREFECT_LOGGING_SETTINGS_PATH=evil.yml\n"
    )
    (tmp_path / "prefect.toml").write_text('[logging]\nlevel = "CRITICAL"\n')
    (tmp_path / "pyproject.toml").write_text('[tool.prefect.api]\nurl = "http://127.0.0.1:9/"\n')
    plain = {n: v for n, v in os.environ.items() if not n.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORT],
        cwd=tmp_path,
        env=plain | {"PREFECT_HOME": "mine"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines() == ["None", "INFO", str(tmp_path / "mine"), str(tmp_path)]


def test_a_current_folder_that_was_removed_is_one_sentence(shell, monkeypatch):
    gone = shell.folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for command in (("run", "."), ("status",), ("config",)):
        ended = shell(*command)
        assert (ended.code, ended.out) == (2, "")
        assert "The current folder was removed" in ended.err
