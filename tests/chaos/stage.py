"""What all histories share: the videos, a server for them, and catalogs that know them already.

Made once. A history copies a catalog and leaves the rest alone, which `untouched` proves.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import imageio_ffmpeg
from chaos.script import VIDEO_SECONDS
from chaos.values import Place
from pydantic import SecretStr
from range_server import RangeServer, WebFile

from catalog.values import utc_now
from flows.pipeline.request import RunRequest
from flows.pipeline.run import plan
from flows.pipeline.runner import LocalRunner, RunContext
from flows.settings import Settings
from flows.wiring import Tempo, open_services
from tasks.runtime.stats import RunStats

#: In every place.
VIDEOS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Where the videos lie, and the catalogs that have looked at them."""

    folder: Path
    #: What to catalog, by place.
    sources: dict[Place, str]
    #: Catalogs that know every video, by place.
    catalogs: dict[Place, Path]
    #: Under which names the sandbox knows the video at a location: by its URI.
    identities: dict[str, str]
    digests: dict[Path, str]
    web_pid: int

    def copy_catalog(self, place: Place, to: Path) -> str:
        """Copy a catalog; gives its database URL."""
        shutil.copyfile(self.catalogs[place], to)
        return f"sqlite:///{to}"

    def untouched(self) -> bool:
        """Say whether the videos are as they were."""
        return self.digests == {path: _digest(path) for path in self.digests}

    def close(self) -> None:
        """End the server."""
        os.kill(self.web_pid, signal.SIGKILL)
        os.waitpid(self.web_pid, 0)


def set_stage(folder: Path) -> Stage:
    """Make the videos, serve them, and let the product look at them."""
    films = folder / "films"
    films.mkdir(parents=True)
    paths = [_make(films / f"clip-{number}.mp4", number) for number in range(VIDEOS)]
    web_pid, url = _serve(paths)
    urls = {path: f"{url}/{path.name}" for path in paths}
    listing = folder / "films.txt"
    listing.write_text("".join(f"{one}\n" for one in urls.values()), encoding="utf-8")
    sources = {Place.FOLDER: str(films), Place.WEB: f"@{listing}"}
    catalogs = {place: folder / f"{place}.db" for place in Place}
    _in_a_child(lambda: asyncio.run(_look(sources, catalogs)))
    return Stage(
        folder=folder,
        sources=sources,
        catalogs=catalogs,
        identities={path.as_uri(): f"sha256:{_digest(path)}" for path in paths}
        | {one: one for one in urls.values()},
        digests={path: _digest(path) for path in paths},
        web_pid=web_pid,
    )


def _make(path: Path, number: int) -> Path:
    """Make a few kilobytes of video that no other is like, and as old as a finished file is."""
    picture = f"color=c=0x{number * 40:02x}8040:size=32x32:rate=2:duration={VIDEO_SECONDS}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", picture]
    subprocess.run([*command, "-c:v", "mpeg4", str(path)], check=True, stdin=subprocess.DEVNULL)
    an_hour_ago = (utc_now() - timedelta(hours=1)).timestamp()
    os.utime(path, (an_hour_ago, an_hour_ago))
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _serve(paths: list[Path]) -> tuple[int, str]:
    """Serve the files from a process of its own: this one must stay without threads to fork."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        server = RangeServer()
        server.files |= {path.name: WebFile(data=path.read_bytes()) for path in paths}
        os.write(writing, server.url.encode())
        os.close(writing)
        threading.Event().wait()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return pid, pipe.read()


def _in_a_child(work: Callable[[], None]) -> None:
    """Do something that leaves threads behind, which whoever forks later must not have."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - there is nobody above to tell
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise AssertionError("The product could not look at the videos.")


async def _look(sources: dict[Place, str], catalogs: dict[Place, Path]) -> None:
    for place, path in catalogs.items():
        request = RunRequest.of(sources=(sources[place],))
        settings = settings_for(f"sqlite:///{path}", "http://127.0.0.1:9", probe_workers=1)
        async with open_services(settings, request, Tempo()) as services:
            context = RunContext(
                settings=settings, services=services, runner=LocalRunner(), stats=RunStats()
            )
            report = await plan(request, context)
            if report.stats.analyses.wanted != 2 * VIDEOS or report.stats.failures:
                raise AssertionError(report.as_json())
            with services.catalog.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def settings_for(database_url: str, base_url: str, **more: object) -> Settings:
    """Give settings that owe nothing to the environment or to files."""
    return Settings.model_validate(
        {
            "database_url": database_url,
            "wavespeed_api_key": SecretStr("wsk_chaos"),
            "wavespeed_base_url": base_url,
            "provider": "wavespeed",
            "tier": "ultra",
            "probe_engine": "pyav",
            **more,
        }
    )
