"""An archive of real clips in a folder, and `reelcat` to catalog it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from clips import AAC, FRONT, H264, Clips
from command import Shell
from swift_server import s3_server

__all__ = ["s3_server"]

#: 2009-07-14, when nobody was still writing any of these files.
LONG_AGO = 1_247_529_600


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """A folder of videos. Each is a minute younger than the one that was put in before it."""

    folder: Path
    clips: Clips

    def put(self, name: str, content: bytes | None = None) -> Path:
        """Put a clip in, which is made to differ by its name, or some bytes."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            shutil.copy(self._clip(Path(name)), path)
        else:
            path.write_bytes(content)
        moment = LONG_AGO + 60 * len(self.files())
        os.utime(path, (moment, moment))
        return path

    def files(self) -> list[Path]:
        """What lies in it."""
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def _clip(self, name: Path) -> Path:
        """A clip of as many seconds as its name says, one otherwise: `film-11s.mp4`.

        AVIs are not compressed, so that they are large.
        """
        _, _, said = name.stem.rpartition("-")
        seconds = int(said.removesuffix("s")) if said.endswith("s") and said[:-1].isdigit() else 1
        hue = sum(name.stem.encode()) % 360
        picture = f"testsrc=duration={seconds}:size=160x120:rate=10,hue=h={hue}"
        tone = f"sine=duration={seconds}:frequency={200 + hue}"
        sources = ("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone)
        title = ("-metadata", f"title={name.stem}")
        codecs = ("-c:v", "rawvideo", "-s", "320x240") if name.suffix == ".avi" else (*H264, *FRONT)
        return self.clips.make(f"archive-{name.name}", *sources, *codecs, *AAC, *title)


@pytest.fixture
def archive(tmp_path: Path, clips: Clips) -> Archive:
    """An empty archive, in `films` beside the catalog."""
    folder = tmp_path / "films"
    folder.mkdir()
    return Archive(folder=folder, clips=clips)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Where the catalog is made."""
    return Shell(folder=tmp_path)
