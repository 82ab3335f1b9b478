"""README.md does what it says: its blocks are run in order, in a folder like a clone.

So is the transcript of docs/prompts.md, which needs the same clips.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest
from command import plain_environment
from prefect_server import PATIENCE_SECONDS, PrefectServer, until
from swift_server import free_ports, running_server
from transcripts import Step, agrees, shape_of, steps_of

from catalog.values import RunStatus
from flows.pipeline.report import RunReport
from tasks.runtime.stats import RunStats

# One story, told once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("readme"), pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PROMPTS = (ROOT / "docs" / "prompts.md").read_text("utf-8")
STEPS = [*steps_of(README), *steps_of(PROMPTS)]
JSON_PAGE = (ROOT / "docs" / "json.md").read_text("utf-8")
WIDTH = "90"
PORT, PREFECT_PORT = "8700", "4200"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@dataclass(kw_only=True)
class Terminal:
    """A shell that keeps what was exported, and says what commands say."""

    process: subprocess.Popen[str]
    folder: Path
    said: list[tuple[Step, str]] = field(default_factory=list)

    def run(self, command: str) -> tuple[int, str]:
        """Run a command to its end; gives its exit code and what it said."""
        self.process.stdin.write(f'{command}\ncode=$?; echo; echo "-- $code"\n')
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if re.fullmatch(r"-- \d+\n", line):
                return int(line.split()[1]), "".join(lines).removesuffix("\n")
            lines.append(line)
        raise AssertionError(f"the shell ended at {command}: {''.join(lines)}")


def in_a_test(command: str, port: int) -> str:
    """A command of the README as it can be run here."""
    if command == "make demo":
        # What the target does once the environment is built, which it is.
        asked = ["make", "-n", "--no-print-directory", "demo"]  # as `make test` may have called us
        recipe = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True)
        return recipe.stdout.splitlines()[-1]
    command = command.replace(PORT, str(port))
    if command.startswith("reelcat sandbox"):
        # It goes on; what it has to say ends with how to stop it.
        return (
            f"{command} > sandbox.out 2>&1 & "
            "until grep -qs Ctrl-C sandbox.out; do sleep 0.1; done; cat sandbox.out"
        )
    return command


@pytest.fixture(scope="module")
def terminal(tmp_path_factory) -> Iterator[Terminal]:
    """Everything in the README, done."""
    clone = tmp_path_factory.mktemp("clone")
    (clone / ".venv").symlink_to(Path(sys.executable).parents[1])
    shutil.copy(ROOT / "prefect.yaml", clone)
    s3 = running_server()
    [port] = free_ports(1)
    environment = plain_environment() | s3.environment()
    environment |= {"COLUMNS": WIDTH, "LC_ALL": "C.UTF-8", "REELCAT_POLL_INTERVAL": "0.2"}
    environment |= {"PREFECT_HOME": str(clone / "no-prefect"), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        ["bash", "--norc", "--noprofile"],
        cwd=clone,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    terminal = Terminal(process=process, folder=clone)
    try:
        for step in STEPS:
            if "s3://archive" in step.command:
                fill_bucket(s3, clone / "demo" / "videos" / "films" / "harbour-reel-3.mp4")
            _, said = terminal.run(in_a_test(step.command, port))
            terminal.said.append((step, said))
        terminal.run("export REELCAT_DATABASE_URL=sqlite:///rehearsal.db")  # as README left it
        yield terminal
    finally:
        terminal.run("kill %1; wait")
        process.stdin.close()
        process.wait()


def fill_bucket(s3, film: Path) -> None:
    """The bucket that the README names."""
    client = s3.client()
    client.create_bucket(Bucket="archive")
    client.put_object(Bucket="archive", Key="2009/harbour.mp4", Body=film.read_bytes())


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_a_command_says_what_is_printed_below_it(terminal, number):
    step, said = terminal.said[number]
    if not agrees(step.expected, said):
        assert shape_of(said) == shape_of(step.expected), step.command


def test_what_the_demo_suggests_can_be_typed_as_it_stands(terminal):
    demo = next(said for step, said in terminal.said if step.command == "make demo")
    suggested = [line.strip() for line in demo.partition("Try next:")[2].splitlines() if line]
    assert len(suggested) == 3
    for line in suggested:
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=terminal.folder,
            env=plain_environment() | {"PATH": "/usr/bin:/bin"},
            check=False,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, ""), line
        assert "lantern" in done.stdout or "harbour" in done.stdout


def test_the_line_for_cron_runs_where_it_is_put(terminal):
    [line] = re.findall(r"^```cron\n(.*)\n```$", README, re.MULTILINE)
    command = line.split(maxsplit=5)[5].replace("/srv/catalog", str(terminal.folder))
    code, _ = terminal.run(command)
    assert code == 1  # one of the demo's clips is broken
    assert "18 done before" in (terminal.folder / "nightly.log").read_text()


def test_every_block_is_run_by_a_test():
    made, pasted = (block for language, block in BLOCKS if language == "sh")
    commands = [line.partition("#")[0].strip() for line in made.splitlines()]
    assert commands == ["make demo", "make test"]  # the first is a step below, the second is this
    assert subprocess.run(["make", "-n", "test"], cwd=ROOT, check=True, capture_output=True)
    assert "prefect worker start" in pasted
    assert {language for language, _ in BLOCKS} == {"sh", "console", "cron"}


@dataclass(kw_only=True)
class Pasted:
    """The block for Prefect, pasted as a whole into a terminal of its own."""

    server: PrefectServer
    #: Who asked a proxy for something outside of this machine, and for what.
    outside: list[str]
    shown: bytearray


@pytest.fixture(scope="module")
def pasted(terminal, tmp_path_factory) -> Iterator[Pasted]:
    """What follows the other blocks in README's order; the worker goes on until the end."""
    [block] = [text for _, text in BLOCKS if "prefect worker start" in text]
    [port] = free_ports(1)
    home = tmp_path_factory.mktemp("prefect")
    with outside_world() as (proxy, outside):
        _, exported = terminal.run("export -p")
        own = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "HTTPS_PROXY": proxy,
            "HTTP_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "TERM": "dumb",
        }
        hears = f"import httpx; httpx.get('https://telemetry.example', proxy={proxy!r})"
        subprocess.run([sys.executable, "-c", hears], check=False, capture_output=True)
        assert outside.pop() == "CONNECT telemetry.example:443 HTTP/1.1"
        master, slave = pty.openpty()
        process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            cwd=terminal.folder,
            env=own,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        shown = bytearray()
        reader = threading.Thread(target=read_all, args=(master, shown))
        reader.start()
        family: list[psutil.Process] = []
        try:
            before = "\n".join(
                line
                for line in exported.splitlines()
                if re.match(r"declare -x (WAVESPEED|REELCAT|AWS)_", line)
            )
            typed = f"{before}\nsource .venv/bin/activate\n{block.replace(PREFECT_PORT, str(port))}"
            os.write(master, typed.encode())
            url = f"http://127.0.0.1:{port}/api"
            server = PrefectServer(url=url, folder=home, log=terminal.folder / "prefect.log")
            until(lambda: a_worker_waits(server), "a worker waits", 2 * PATIENCE_SECONDS)
            yield Pasted(server=server, outside=outside, shown=shown)
        finally:
            family = psutil.Process(process.pid).children(recursive=True)
            for one in [*family, process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            process.wait()
            os.close(master)
            reader.join()


def read_all(descriptor: int, into: bytearray) -> None:
    """Keep what a terminal shows, until it is closed."""
    with contextlib.suppress(OSError):
        while piece := os.read(descriptor, 65536):
            into.extend(piece)


def a_worker_waits(server: PrefectServer) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        found = server.ask("POST", "/work_pools/reelcat/workers/filter", {})
        return any(one["status"] == "ONLINE" for one in found)
    return False


@contextlib.contextmanager
def outside_world() -> Iterator[tuple[str, list[str]]]:
    """A proxy that lets nothing through; gives its address, and the first line of what it hears."""
    heard: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            heard.append(self.rfile.readline().decode("latin-1").strip())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", heard
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.timeout(900)
def test_the_block_for_prefect_works_as_it_is_pasted(pasted, terminal):
    nightly = pasted.server.deployment("catalog-videos/nightly")["id"]
    run = pasted.server.ended(
        pasted.server.start(nightly, videos={"sources": [str(terminal.folder / "demo/videos")]})
    )
    assert run["state_type"] == "COMPLETED", pasted.shown.decode()
    report = pasted.server.artifacts(run["id"])["catalog-videos-report"]["data"]
    assert "18 done before" in report, report


def test_the_block_for_prefect_tells_nobody(pasted):
    assert pasted.server.ask("GET", "/admin/settings")
    # The server looks for newer kinds of workers there, whatever it is told; it tells nothing.
    assert set(pasted.outside) <= {"CONNECT raw.githubusercontent.com:443 HTTP/1.1"}


def test_the_exit_codes_are_all_named(terminal):
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    reports = (RunReport(run_id="", status=status, stats=RunStats()) for status in RunStatus)
    assert rows == {report.exit_code for report in reports} | {2}


def keys_of(value: object, above: str = "") -> set[str]:
    """The dotted names of everything in a JSON object; `[]` for what is in a list."""
    if isinstance(value, list):
        return set().union(*(keys_of(one, f"{above}[]") for one in value), {f"{above}[]"})
    if not isinstance(value, dict):
        return {above}
    dot = "." if above else ""
    return set().union(*(keys_of(one, f"{above}{dot}{name}") for name, one in value.items()))


def parts_of(key: str) -> set[str]:
    """A key, and every object that it is in."""
    return {key[: match.start()] for match in re.finditer(r"\.|$", key)}


def is_covered(key: str, documented: set[str]) -> bool:
    """Tell whether a key has a line, or is part of what has one."""
    by_status = f"{key.partition('.')[0]}.<status>"
    ahead = any(one.startswith((f"{key}.", f"{key}[]")) for one in documented)
    return by_status in documented or ahead or bool(documented & parts_of(key))


def documented_under(heading: str) -> set[str]:
    """The keys that a section of docs/json.md has."""
    section = JSON_PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def tops(keys: set[str]) -> set[str]:
    return {re.split(r"\.|\[", key)[0] for key in keys}


@pytest.mark.parametrize(
    ("heading", "command"),
    [
        ("run and plan", "reelcat run demo/videos --budget 1 --json"),
        ("status", "reelcat status --json"),
        ("run and plan", "reelcat reconcile --json"),
        ("export", "reelcat export | head -1"),
        ("search", "reelcat search lantern --json"),
        ("show", "reelcat show lantern-parade --json"),
        ("budget", "reelcat budget --json"),
        ("doctor", "reelcat doctor --json"),
    ],
)
def test_the_page_on_json_has_exactly_the_keys_that_are_printed(terminal, heading, command):
    _, said = terminal.run(command)
    printed, documented = keys_of(json.loads(said)), documented_under(heading)
    assert tops(printed) == tops(documented)
    assert [key for key in sorted(printed) if not is_covered(key, documented)] == []
    plain = {key for key in documented if "[" not in key and "<" not in key}
    assert plain <= {part.removesuffix("[]") for key in printed for part in parts_of(key)}


def test_the_readme_shows_nothing_that_the_shell_could_not_find(terminal):
    assert shutil.which("make")
    assert not [said for _, said in terminal.said if "command not found" in said]
