"""The small clips that the demonstration catalogs: the holdings of a made-up archive.

FFmpeg's own sources draw them. One of them is there twice and one is broken, because archives are
like that.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import ffmpeg

from catalog.errors import ReelcatError
from tasks.media.binaries import find_ffmpeg
from tasks.media.confinement import clean_environment

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


_SIZE = "320x180"
_RATE = 12

_LANTERN_SUBTITLES = """\
1
00:00:00,500 --> 00:00:03,500
The square, just before the parade.

2
00:00:04,500 --> 00:00:08,500
The lanterns come across from the left.

3
00:00:09,500 --> 00:00:11,500
Good night, and mind the steps.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """One clip to be made."""

    #: Path below the folder of samples; its ending decides container and codecs.
    name: str
    title: str
    seconds: int
    #: Gives the picture, and the sound if there is any, of that many seconds.
    draw: Callable[[int], tuple[Any, ...]]
    #: Chapters: first second and title.
    chapters: tuple[tuple[int, str], ...] = ()
    #: Embedded subtitles as SubRip text; empty for none.
    subtitles: str = ""


def _source(name: str, seconds: float, **settings: Any) -> Any:
    """One of FFmpeg's generators as an input."""
    described = ":".join(f"{key}={value}" for key, value in settings.items())
    return ffmpeg.input(f"{name}={described}", format="lavfi", t=seconds)


def _plain(colour: str, seconds: float, size: str = _SIZE) -> Any:
    return _source("color", seconds, color=colour, size=size, rate=_RATE)


def _sky(seconds: float, first: str, second: str, seed: int) -> Any:
    return _source(
        "gradients",
        seconds,
        size=_SIZE,
        rate=_RATE,
        c0=first,
        c1=second,
        nb_colors=2,
        speed=0.02,
        seed=seed,
    ).filter("format", "yuv420p")


def _noise(seconds: float, amplitude: float, colour: str = "pink") -> Any:
    return _source(
        "anoisesrc", seconds, color=colour, amplitude=amplitude, seed=7, sample_rate=44100
    )


def _wave(seconds: float, expression: str) -> Any:
    """A sound by its formula."""
    escaped = expression.replace(",", r"\,")
    return ffmpeg.input(f"aevalsrc={escaped}:s=44100", format="lavfi", t=seconds)


def _harbour_reel(seconds: int) -> tuple[Any, ...]:
    """Black and white, 4:3 between black bars, with grain, flicker and projector noise."""
    picture = (
        _source("mandelbrot", seconds, size="240x180", rate=_RATE, start_scale=1.2)
        .filter("hue", b="0.25*sin(9*t)")
        .filter("noise", alls=8, allf="t", all_seed=3)
        .filter("format", "gray")
        .filter("pad", 320, 180, 40, 0)
    )
    return picture, _noise(seconds, 0.25)


def _loading_dock(seconds: int) -> tuple[Any, ...]:
    """A fixed camera: two vehicles pass, otherwise nothing happens. No sound track."""
    grey, line, handler = "0x5b6066", "0x8d9196", "0x3c4247"
    picture = _plain(grey, seconds)
    picture = picture.drawbox(0, 120, 320, 4, line, thickness="fill")
    picture = picture.drawbox(220, 20, 70, 80, handler, thickness="fill")
    van = _plain("0xb03028", seconds, "64x30")
    lorry = _plain("0xd8d4c8", seconds, "80x34")
    picture = picture.overlay(van, x="-64+80*(t-3)", y=128)
    return (picture.overlay(lorry, x="320-90*(t-12)", y=138),)


def _three_weathers(seconds: int) -> tuple[Any, ...]:
    """Three shots with hard cuts."""
    third = seconds / 3
    fair = _sky(third, "0x6db3f2", "0xf4f8ff", 1)
    storm = _sky(third, "0x1d2228", "0x4a525c", 2).filter("noise", alls=14, allf="t", all_seed=9)
    evening = _sky(third, "0xd9541e", "0xf7c948", 3)
    return ffmpeg.concat(fair, storm, evening), _noise(seconds, 0.5, "brown")


def _stairwell(seconds: int) -> tuple[Any, ...]:
    """Portrait, as telephones film, moving downwards all the time."""
    picture = (
        _source("cellauto", seconds, size="90x160", rate=_RATE, rule=110, scroll=1, seed=11)
        .filter("scale", 180, 320, flags="neighbor")
        .filter("format", "rgb24")
        .filter("colorchannelmixer", rr=0.55, gg=0.75, bb=0.7)
        .filter("gblur", 1)
    )
    return picture, _noise(seconds, 0.02)


def _dropout(seconds: int) -> tuple[Any, ...]:
    """A tape with two seconds of neither picture nor sound."""
    gap = "between(t,4,6)"
    picture = _source("testsrc2", seconds, size=_SIZE, rate=_RATE)
    picture = picture.drawbox(0, 0, 320, 180, "black", thickness="fill", enable=gap)
    sound = _wave(seconds, "0.3*sin(2*PI*330*t)*(0.6+0.4*sin(5*t))")
    return picture, sound.filter("volume", 0, enable=gap)


def _lantern_parade(seconds: int) -> tuple[Any, ...]:
    """Night, with lights that cross the picture; chapters and subtitles."""
    picture = _plain("0x1c2860", seconds)
    for number in range(5):
        lantern = _plain("0xf2a03d", seconds, "22x30")
        picture = picture.overlay(lantern, x=f"80*(t-4)-48*{number}-22", y=60 + 14 * (number % 3))
    chord = "0.12*sin(2*PI*196*t)+0.10*sin(2*PI*247*t)+0.08*sin(2*PI*294*t)"
    return picture.filter("gblur", 3), _wave(seconds, f"({chord})*min(1,t/4)*min(1,(12-t)/3)")


def _test_card(seconds: int) -> tuple[Any, ...]:
    """A still picture with the tone to set levels by."""
    picture = _source("smptehdbars", seconds, size=_SIZE, rate=_RATE)
    return picture, _wave(seconds, "0.5*sin(2*PI*1000*t)")


def _coral(seconds: int) -> tuple[Any, ...]:
    """Growth that never rests. No sound track."""
    picture = _source(
        "life",
        seconds,
        size="64x36",
        rate=_RATE,
        seed=5,
        ratio=0.4,
        mold=20,
        life_color="0xff7f6a",
        death_color="0x123a5a",
        mold_color="0x0a6e78",
    )
    return (picture.filter("scale", 320, 180, flags="bilinear"),)


def _deep_zoom(seconds: int) -> tuple[Any, ...]:
    """Colours all over, with a rising tone."""
    picture = _source("mandelbrot", seconds, size=_SIZE, rate=_RATE, end_scale=0.05, end_pts=120)
    return picture, _wave(seconds, "0.05*sin(2*PI*(180+30*t)*t)")


CLIPS: Final = (
    Clip(name="films/harbour-reel-3.mp4", title="Harbour, reel 3", seconds=8, draw=_harbour_reel),
    Clip(
        name="cameras/loading-dock.mp4",
        title="Loading dock, north camera",
        seconds=20,
        draw=_loading_dock,
    ),
    Clip(name="films/three-weathers.mp4", title="Three weathers", seconds=9, draw=_three_weathers),
    Clip(name="phones/stairwell.mov", title="Stairwell", seconds=5, draw=_stairwell),
    Clip(name="tapes/tape-07.webm", title="Tape 07, with a dropout", seconds=10, draw=_dropout),
    Clip(
        name="events/lantern-parade.mkv",
        title="Lantern parade",
        seconds=12,
        draw=_lantern_parade,
        chapters=((0, "Dusk"), (4, "Lanterns"), (9, "Lights out")),
        subtitles=_LANTERN_SUBTITLES,
    ),
    Clip(
        name="tapes/test-card.mp4", title="Test card with line-up tone", seconds=6, draw=_test_card
    ),
    Clip(
        name="science/coral-growth.webm",
        title="Coral growth, time-lapse",
        seconds=6,
        draw=_coral,
    ),
    Clip(name="science/deep-zoom.mp4", title="Deep zoom", seconds=8, draw=_deep_zoom),
)
