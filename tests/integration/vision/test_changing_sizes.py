"""Films whose pictures change their size in the middle: each picture is held to the limit."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest

from tasks.media.engine import MOST_PIXELS
from tasks.sandbox.vision.measure import measure

SMALL, LARGE = (320, 180), (9600, 7200)
PICTURES = 3
KINDS = {
    "motion-jpeg.avi": ("avi", "mjpeg", "yuvj420p", {}),
    "motion-jpeg.mkv": ("matroska", "mjpeg", "yuvj420p", {}),
    "vp8.webm": ("webm", "libvpx", "yuv420p", {"deadline": "realtime", "cpu-used": "16"}),
    "parameters.ts": (
        "mpegts",
        "libx264",
        "yuv420p",
        {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "keyint=1:repeat-headers=1"},
    ),
}


def pictures(codec, pixels, options, size, count):
    """Encode pictures of one size, each of which stands alone."""
    context = av.CodecContext.create(codec, "w")
    context.width, context.height = size
    context.pix_fmt, context.time_base, context.framerate = pixels, Fraction(1, 10), Fraction(10)
    context.options = options
    for number in range(count):
        frame = av.VideoFrame(*size, pixels)
        for plane in frame.planes:
            plane.update(bytes([60 + 40 * number]) * plane.buffer_size)
        frame.pts = number
        yield from map(bytes, context.encode(frame))
    yield from map(bytes, context.encode(None))


def film(path, kind, sizes):
    """Write a film whose header tells the first size alone."""
    container, codec, pixels, options = KINDS[kind]
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=10)
        stream.width, stream.height = sizes[0]
        stream.pix_fmt = pixels
        stream.options = options
        moment = 0
        for size in sizes:
            count = PICTURES if size == SMALL else 1
            for data in pictures(codec, pixels, options, size, count):
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(1, 10)
                packet.pts = packet.dts = moment
                packet.is_keyframe = True
                out.mux(packet)
                moment += 1
    return str(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_is_too_large_is_not_decoded_whatever_the_header_says(tmp_path, kind):
    assert LARGE[0] * LARGE[1] > MOST_PIXELS
    path = film(tmp_path / kind, kind, [SMALL, LARGE, SMALL])
    signals = measure(path)
    assert signals.damage is not None
    assert signals.damage.lost_packets >= 1
    assert (signals.width, signals.height) in (SMALL, (0, 0))


def test_a_change_to_a_size_that_is_allowed_costs_nothing(tmp_path):
    path = film(tmp_path / "a.mkv", "motion-jpeg.mkv", [SMALL, (640, 480), SMALL])
    signals = measure(path)
    assert signals.damage is None
    assert (signals.width, signals.height) == SMALL


def test_a_strip_of_a_picture_does_not_become_millions_of_lines(tmp_path):
    path = film(tmp_path / "a.mkv", "motion-jpeg.mkv", [SMALL, (16, 60_000), SMALL])
    assert measure(path).shots
