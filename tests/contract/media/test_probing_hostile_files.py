"""A file that names other files or addresses is never followed, whichever engine reads it.

The listening server and the secret file are real: following would leave a trace in them.
"""

from __future__ import annotations

import pytest
from range_server import RangeServer, WebFile

from catalog.values import ProbeStatus
from tasks.media.engine import Media, NotMedia


@pytest.fixture
def server(clips):
    listening = RangeServer()
    listening.files["secret.ts"] = WebFile(data=clips["plain.ts"].read_bytes())
    yield listening
    listening.close()


def hls(target):
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{target}\n#EXT-X-ENDLIST\n"


def hls_key(target):
    key = f'#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXT-X-MAP:URI="{target}"\n'
    return hls(target).replace("#EXTINF", key + "#EXTINF")


def ffconcat(target):
    return f"ffconcat version 1.0\nfile '{target}'\n"


def dash(target):
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT3S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="9">'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )


def sdp(target):
    origin = "o=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1"
    return f"v=0\n{origin}\ns={target}\nt=0 0\nm=video 5004 RTP/AVP 96\n"


def smil(target):
    return f'<smil><body><video src="{target}"/></body></smil>'


def asx(target):
    return f'<ASX version="3.0"><ENTRY><REF HREF="{target}"/></ENTRY></ASX>'


PLAYLISTS = [hls, hls_key, ffconcat, dash, sdp, smil, asx]


@pytest.fixture(params=PLAYLISTS, ids=lambda playlist: playlist.__name__)
def playlist(request):
    return request.param


def media_of(path):
    return Media(file=path.open("rb"), size=path.stat().st_size, path=path, near=True)


def test_no_address_in_a_playlist_is_asked(look, server, tmp_path, playlist):
    path = tmp_path / "holiday.mp4"
    path.write_text(playlist(f"{server.url}/secret.ts"))
    probe = look(path).probe
    assert probe.status is ProbeStatus.UNREADABLE
    assert "playlist" in probe.error
    assert server.requests == []


def test_no_file_in_a_playlist_is_opened(look, clips, tmp_path, playlist):
    (tmp_path / "secret.ts").write_bytes(clips["plain.ts"].read_bytes())
    path = tmp_path / "holiday.mp4"
    path.write_text(playlist("secret.ts"))
    probe = look(path).probe
    assert (probe.status, probe.video_codec) == (ProbeStatus.UNREADABLE, None)


def test_an_engine_asked_directly_follows_no_address(engine, server, tmp_path, playlist):
    path = tmp_path / "holiday.mp4"
    path.write_text(playlist(f"{server.url}/secret.ts"))
    with pytest.raises(NotMedia):
        engine.report(media_of(path))
    assert server.requests == []


def test_an_engine_asked_directly_opens_no_other_file(engine, clips, tmp_path, playlist):
    secret = tmp_path / "secret.ts"
    secret.write_bytes(clips["plain.ts"].read_bytes())
    for target in ("secret.ts", str(secret), f"file:{secret}"):
        path = tmp_path / "holiday.mp4"
        path.write_text(playlist(target))
        with pytest.raises(NotMedia):
            engine.report(media_of(path))


def test_an_address_as_a_name_is_only_a_name(look, server, clips, tmp_path):
    folder = tmp_path / "http:" / server.url.removeprefix("http://")
    folder.mkdir(parents=True)
    path = folder / "secret.ts"
    path.write_bytes(clips["plain.ts"].read_bytes())
    assert look(path).probe.status is ProbeStatus.OK
    assert server.requests == []
