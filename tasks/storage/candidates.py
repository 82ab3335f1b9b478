"""Which names are worth a look, judged by the name alone.

A folder of a camera or a NAS holds thumbnails, half-finished downloads and macOS's shadow files
beside the videos; opening each to find out would cost more than the videos do.
"""

from __future__ import annotations

_SUFFIXES = (
    ".3g2 .3gp .3gpp .amv .asf .avi .divx .dv .dvr-ms .evo .f4v .flv .gxf .h264 .h265 .hevc .ivf"
    " .m1v .m2p .m2t .m2ts .m2v .m4v .mjpeg .mjpg .mk3d .mkv .mod .mov .mp4 .mpe .mpeg .mpg .mpv"
    " .mqv .mts .mxf .nsv .nut .ogm .ogv .ogx .ps .qt .rm .rmvb .tod .tp .trp .ts .vob .vro .webm"
    " .wmv .wtv .xvid .y4m"
)

#: Lower case, with the dot. Every container people keep films in, and the raw streams.
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())

#: Folders that NAS systems, Windows and ext4 keep for themselves; other such names are hidden.
SYSTEM_FOLDERS = frozenset(
    {"$recycle.bin", "#recycle", "#snapshot", "@eadir", "lost+found", "system volume information"}
)


def is_video_name(name: str) -> bool:
    """Say whether a file of this name (no folders) may be a video.

    Hidden names, among them AppleDouble's `._film.mp4`, are not; `film.mp4.part` is not.

    >>> is_video_name("FILM.MP4"), is_video_name("._film.mp4"), is_video_name("film.mp4.part")
    (True, False, False)
    """
    if name[-4:] in VIDEO_SUFFIXES:  # most are, and this is the quickest way to tell
        return name[0] != "."
    dot = name.rfind(".")
    return dot > 0 and name[0] != "." and name[dot:].lower() in VIDEO_SUFFIXES


def is_skipped_folder(name: str) -> bool:
    """Say whether a folder of this name (no path) is passed over with all it holds.

    `.` and `..` are no hidden folders but parts of an odd S3 key.
    """
    if name in {".", ".."}:
        return False
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def is_candidate(name: str) -> bool:
    """Say whether a `/`-separated name below a source may be a video in a folder that counts.

    >>> is_candidate("2009/a.mp4"), is_candidate(".trash/a.mp4"), is_candidate("2009/")
    (True, False, False)
    """
    *folders, base = name.split("/")
    return is_video_name(base) and not any(map(is_skipped_folder, folders))
