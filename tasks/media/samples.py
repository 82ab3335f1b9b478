"""Makes the small clips that the demonstration catalogs.

`sample_clips` says what they show. One of them is there twice and one is broken, because archives
are like that.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import ffmpeg

from catalog.errors import ReelcatError
from tasks.media.binaries import find_ffmpeg
from tasks.media.confinement import clean_environment
from tasks.media.sample_clips import CLIPS, Clip

#: One clip takes a second or two; a machine in trouble is not waited for.
_CLIP_SECONDS: Final = 60
#: A copy under another name: paid for once.
_DUPLICATE = ("tapes/tape-07.webm", "inbox/tape-07-second-transfer.webm")
#: A copy that never finished: the end of the file, with its table of contents, is missing.
_BROKEN = ("films/three-weathers.mp4", "inbox/three-weathers-unfinished.mp4")
_BROKEN_SHARE = 0.6

#: Encoders by file name ending, chosen for speed and so that there are several.
_H264 = {"vcodec": "libx264", "preset": "veryfast", "crf": 27, "pix_fmt": "yuv420p"}
_AAC = {"acodec": "aac", "audio_bitrate": "64k"}
_VP8 = {"vcodec": "libvpx", "deadline": "realtime", "cpu-used": 8, "video_bitrate": "160k"}
_ENCODERS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        ".mp4": {"format": "mp4", **_H264, **_AAC},
        ".mov": {"format": "mov", "vcodec": "mpeg4", "qscale:v": 6, "pix_fmt": "yuv420p", **_AAC},
        ".mkv": {"format": "matroska", **_H264, **_AAC, "scodec": "srt"},
        ".webm": {"format": "webm", **_VP8, "acodec": "libvorbis", "pix_fmt": "yuv420p"},
    }
)
#: So that one version of ffmpeg always makes the same bytes.
_BIT_EXACT = {"fflags": "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact"}


class SamplesNotMade(ReelcatError):
    """ffmpeg is missing, or could not make a sample clip."""


def make_samples(folder: Path, *, ffmpeg_path: str | None = None) -> list[Path]:
    """Make the clips that `folder` lacks, and return the paths of all of them.

    A clip appears under its name only when it is complete, and one that is there is kept.

    Args:
        folder: Made if it is not there.
        ffmpeg_path: The ffmpeg to use; by default the one that reelcat finds.

    Raises:
        SamplesNotMade: There is no ffmpeg, or it failed.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:  # FFmpeg uses the cores that are left
        paths = list(pool.map(lambda clip: _make(folder, clip, ffmpeg_path), CLIPS))
    paths.append(_copy(folder, *_DUPLICATE, share=1))
    paths.append(_copy(folder, *_BROKEN, share=_BROKEN_SHARE))
    return paths


def _make(folder: Path, clip: Clip, ffmpeg_path: str | None) -> Path:
    path = folder / clip.name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as workshop:
            _run(_command(clip, Path(workshop), _binary(ffmpeg_path)), clip.name)
            (Path(workshop) / path.name).replace(path)
    return path


def _copy(folder: Path, original: str, name: str, *, share: float) -> Path:
    """Copy the first part of a clip."""
    path = folder / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        content = (folder / original).read_bytes()
        with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as workshop:
            unfinished = Path(workshop) / path.name
            unfinished.write_bytes(content[: round(share * len(content))])
            unfinished.replace(path)
    return path


def _command(clip: Clip, workshop: Path, binary: str) -> list[str]:
    """The command that makes a clip in the workshop."""
    path = workshop / Path(clip.name).name
    streams = [*clip.draw(clip.seconds)]
    if clip.subtitles:
        lines = workshop / "subtitles.srt"
        lines.write_text(clip.subtitles, encoding="utf-8")
        streams.append(ffmpeg.input(f"file:{lines}", format="srt"))
    options = {**_ENCODERS[path.suffix], **_BIT_EXACT, "metadata": f"title={clip.title}"}
    output = ffmpeg.output(*streams, f"file:{path}", t=clip.seconds, **options)
    command: list[str] = output.global_args("-nostdin", "-v", "error").compile(cmd=binary)
    if clip.chapters:
        chapters = workshop / "chapters.txt"
        chapters.write_text(_chapters(clip), encoding="utf-8")
        # ffmpeg-python knows no input without streams; FFmpeg takes chapters from wherever it lies.
        at = command.index("-map")
        command[at:at] = ["-f", "ffmetadata", "-i", f"file:{chapters}"]
    return command


def _chapters(clip: Clip) -> str:
    """Chapters in FFmpeg's own notation."""
    ends = [start for start, _ in clip.chapters[1:]] + [clip.seconds]
    return ";FFMETADATA1\n" + "".join(
        f"[CHAPTER]\nTIMEBASE=1/1\nSTART={start}\nEND={end}\ntitle={title}\n"
        for (start, title), end in zip(clip.chapters, ends, strict=True)
    )


def _run(command: list[str], name: str) -> None:
    try:
        subprocess.run(  # noqa: S603 - our own command line
            command,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CLIP_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise SamplesNotMade(
            f"ffmpeg took more than {_CLIP_SECONDS} s over {name}. "
            "Try again when this machine has less to do."
        ) from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise SamplesNotMade(
            f"ffmpeg could not make {name}: {said[-1] if said else 'it did not say why'}. "
            "Install a complete ffmpeg."
        ) from error
    except OSError as error:
        raise SamplesNotMade(
            f"ffmpeg does not run ({error}). Install a complete ffmpeg."
        ) from error


def _binary(ffmpeg_path: str | None) -> str:
    found = find_ffmpeg(ffmpeg_path)
    if found is None:
        raise SamplesNotMade("There is no ffmpeg to make sample clips with. Install ffmpeg.")
    return found.path
