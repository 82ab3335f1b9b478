"""Films to measure with, made by FFmpeg: many small clips, and large ones by layout."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import imageio_ffmpeg

_LONG_AGO = 1_247_529_600
_CLIPS = {
    "mp4": ("-movflags", "+faststart"),
    "mov": (),
    "mkv": (),
}
#: The layouts of a large film that cost differently when it is far away.
LAYOUTS = {
    "MP4, index in front": ("front.mp4", ("-movflags", "+faststart")),
    "MP4, index at the end": ("end.mp4", ()),
    "MKV": ("film.mkv", ()),
    "MKV, live": ("live.mkv", ("-live", "1")),
    "MPEG-TS": ("film.ts", ()),
    "AVI": ("film.avi", ()),
}


def many(folder: Path, count: int) -> None:
    """Make so many clips of three kinds; each differs from the others in some of its pictures."""
    folder.mkdir()
    patterns = []
    for suffix, how in _CLIPS.items():
        path = folder.with_suffix(f".{suffix}")
        _ffmpeg("-f", "lavfi", "-i", "testsrc=duration=2:size=320x180:rate=25", *_H264, *how, path)
        patterns.append((suffix, path.read_bytes()))
        path.unlink()
    for number in range(count):
        suffix, pattern = patterns[number % len(patterns)]
        clip = bytearray(pattern)
        at = len(clip) * 3 // 5
        clip[at : at + 4] = number.to_bytes(4, "big")
        path = folder / f"clip-{number:06}.{suffix}"
        path.write_bytes(clip)
        os.utime(path, (_LONG_AGO, _LONG_AGO))  # or it would be watched whether it grows


def film(folder: Path, layout: str) -> Path:
    """Make a film of two minutes and about 200 MB."""
    name, how = LAYOUTS[layout]
    source = folder / "source.mp4"
    if not source.exists():
        noise = "testsrc2=duration=4:size=1280x720:rate=25,noise=alls=60:allf=t"
        tone = "sine=duration=4"
        sources = ("-f", "lavfi", "-i", noise, "-f", "lavfi", "-i", tone)
        rate = ("-b:v", "13M", "-minrate", "13M", "-maxrate", "13M", "-bufsize", "13M")
        _ffmpeg(*sources, *_H264, *rate, "-c:a", "aac", source)
    path = folder / name
    _ffmpeg("-stream_loop", "29", "-i", source, "-c", "copy", *how, path)
    return path


_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")


def _ffmpeg(*arguments: object) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)
