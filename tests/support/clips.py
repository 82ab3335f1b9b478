"""Small videos for tests, made by a real ffmpeg when they are first asked for.

The fixture `clips` (tests/conftest.py) lasts as long as the session: `clips["plain.mp4"]` is the
path of a three-second test picture with a tone; RECIPES lists all there are. The files are shared,
so copy one before changing it. `clips.make(name, *arguments)` makes any other once.

Only what ffmpeg can be asked for is here; damaged and hostile files are made of bytes beside the
tests that need them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg

#: How long every clip lasts that does not say otherwise.
SECONDS = 3

PICTURE = ("-f", "lavfi", "-i", f"testsrc=duration={SECONDS}:size=160x120:rate=10")
TONE = ("-f", "lavfi", "-i", f"sine=duration={SECONDS}:frequency=440:sample_rate=48000")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac", "-b:a", "32k")
BOTH = (*PICTURE, *TONE, *H264, *AAC)
FRONT = ("-movflags", "+faststart")
KEY = "00112233445566778899aabbccddeeff"

RECIPES: dict[str, tuple[str, ...]] = {
    "plain.mp4": (*BOTH, *FRONT),
    "index-at-end.mp4": BOTH,
    "fragmented.mp4": (*BOTH, "-movflags", "+frag_keyframe+empty_moov"),
    "plain.mov": BOTH,
    "plain.mkv": BOTH,
    "plain.ts": BOTH,
    "plain.flv": (*BOTH, "-ar", "44100"),
    "plain.webm": (*PICTURE, *TONE, "-c:v", "libvpx", "-b:v", "200k", "-c:a", "libvorbis"),
    "plain.ogv": (*PICTURE, *TONE, "-c:v", "libtheora", "-c:a", "libvorbis"),
    "plain.avi": (*PICTURE, *TONE, "-c:v", "mpeg4", "-c:a", "libmp3lame"),
    "plain.mpg": (*PICTURE, *TONE, "-r", "25", "-c:v", "mpeg2video", "-c:a", "mp2"),
    "plain.wmv": (*PICTURE, *TONE, "-c:v", "wmv2", "-c:a", "wmav2"),
    # Written as to a pipe: neither a duration nor an index.
    "live.mkv": (*BOTH, "-f", "matroska", "-live", "1", "-flush_packets", "1"),
    "silent.mp4": (*PICTURE, *H264, *FRONT),
    "long-sound.mp4": (
        *("-f", "lavfi", "-i", "testsrc=duration=1:size=160x120:rate=10"),
        *(*TONE, *H264, *AAC, *FRONT),
    ),
    "one-frame.mp4": (*PICTURE, *H264, "-frames:v", "1", *FRONT),
    "sound.mp4": (*TONE, *AAC, *FRONT),
    "picture.jpg": (*PICTURE, "-frames:v", "1"),
    "encrypted.mp4": (
        *(*PICTURE, *H264, "-encryption_scheme", "cenc-aes-ctr"),
        *("-encryption_key", KEY, "-encryption_kid", KEY),
    ),
    "huge.mp4": (
        *("-f", "lavfi", "-i", "color=size=8192x8192:rate=1:duration=1"),
        *("-c:v", "libx264", "-preset", "ultrafast", *FRONT),
    ),
    "tagged.mp4": (
        *(*BOTH, *FRONT, "-movflags", "+faststart+use_metadata_tags"),
        *("-metadata", "title=Harbour at noon", "-metadata", "make=Acme"),
        *("-metadata", "location=+53.5461+009.9661/"),
        *("-metadata", "creation_time=2019-07-24T11:25:40+03:00"),
    ),
    "epoch.mp4": (*PICTURE, *H264, "-metadata", "creation_time=1970-01-01T00:00:01Z"),
}


class Clips:
    """Makes clips in a folder, each at most once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, name: str) -> Path:
        """Return a clip of RECIPES, or one of the few that are made from others."""
        match name:
            case "turned.mp4" | "turned.mkv":
                turn = ("-display_rotation", "-90", "-i", str(self["plain.mp4"]), "-c", "copy")
                return self.make(name, *turn)
            case "cover.mp4":
                sources = ("-i", str(self["sound.mp4"]), "-i", str(self["picture.jpg"]))
                cover = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v", "attached_pic")
                return self.make(name, *sources, *cover)
            case _:
                return self.make(name, *RECIPES[name])

    def make(self, name: str, *arguments: str) -> Path:
        """Run ffmpeg with `arguments` and the path of `name`, unless it is there."""
        path = self.folder / name
        if not path.exists():
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments, str(path)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return path
