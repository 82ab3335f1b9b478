"""What is no video at all, told from its first bytes in a person's words.

Runs before any engine, so that a playlist or a web page is named as such instead of being tried.
Knows only what is certain; anything else is for the engines.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from catalog.values import ProbeStatus

#: How much of the head is looked at.
SNIFF_BYTES = 4096

STILL_BRANDS = frozenset((b"heic", b"heix", b"mif1", b"avif"))


#: First bytes of things that are no videos, and what they are.
STILLS = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG\r\n\x1a\n": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"II*\x00": "a TIFF picture",
    b"MM\x00*": "a TIFF picture",
}
SOUNDS = {
    b"ID3": "an MP3 sound file",
    b"fLaC": "a FLAC sound file",
    b"FORM": "an AIFF sound file",
    b"#!AMR": "an AMR sound file",
}
RIFF_KINDS = {b"WAVE": "a WAV sound file", b"WEBP": "a WebP picture"}
OTHERS = {
    b"PK\x03\x04": "a ZIP archive",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x00\x05\x16\x07": "the companion that macOS keeps next to a file",
}
#: Text that points elsewhere. Following it would read what nobody named.
PLAYLISTS = (
    *(b"#extm3u", b"ffconcat", b"[playlist]", b"<mpd", b"v=0", b"<smil", b"<asx", b"[reference]"),
)
PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<!--")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Why a file is no video."""

    status: ProbeStatus
    sentence: str


def sniff(head: bytes) -> Finding | None:
    r"""Say what a file that begins with `head` is instead of a video; None if it may be one.

    >>> sniff(b"#EXTM3U\n").sentence
    'This is a playlist, not a video; what it points to was not opened.'
    """
    if not head:
        return _unreadable("The file is empty.")
    for table, status in (
        (STILLS, ProbeStatus.NO_VIDEO),
        (SOUNDS, ProbeStatus.NO_VIDEO),
        (OTHERS, ProbeStatus.UNREADABLE),
    ):
        for magic, kind in table.items():
            if head.startswith(magic):
                return Finding(status=status, sentence=f"This is {kind}, not a video.")
    if head.startswith(b"RIFF") and head[8:12] in RIFF_KINDS:
        return _no_video(f"This is {RIFF_KINDS[head[8:12]]}, not a video.")
    if head[4:8] == b"ftyp" and head[8:12] in STILL_BRANDS:
        return _no_video("This is a still picture (HEIF or AVIF), not a video.")
    if not head.strip(b"\x00"):
        return _unreadable("The file begins with nothing but zero bytes: its content never came.")
    return _sniff_text(head)


def _sniff_text(head: bytes) -> Finding | None:
    text = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if text.startswith(PLAYLISTS) or (text.startswith(b"<?xml") and b"<mpd" in text):
        return _unreadable("This is a playlist, not a video; what it points to was not opened.")
    if text.startswith(PAGES):
        return _unreadable("This is a web page or an error message, not a video.")
    if _is_text(head):
        return _unreadable("This is text, not a video.")
    return None


def _is_text(head: bytes) -> bool:
    """Whether it reads as UTF-8 without control characters; a cut last character is forgiven."""
    if b"\x00" in head:  # as in nearly every video, and told at once
        return False
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(char.isprintable() or char in "\t\r\n\f" for char in text)


def _unreadable(sentence: str) -> Finding:
    return Finding(status=ProbeStatus.UNREADABLE, sentence=sentence)


def _no_video(sentence: str) -> Finding:
    return Finding(status=ProbeStatus.NO_VIDEO, sentence=sentence)
