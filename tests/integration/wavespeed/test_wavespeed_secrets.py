import logging

import pytest
from scripted_server import Reply, enveloped

from catalog.errors import ReelcatError
from catalog.values import AnalysisType, UploadTicket

pytestmark = pytest.mark.anyio

ID = "e6832d4abffb4d79bfbca19783fca133"
SIGNATURE = "5ec2e75ec2e75ec2e7"


async def everything(stage, tmp_path):
    """Ask everything there is to ask, and collect what comes back, errors included."""
    provider, told = stage.provider, [stage.provider]
    path = tmp_path / "a.mp4"
    path.write_bytes(b"bytes")
    signed = f"{stage.server.url}/a.mp4?X-Amz-Signature={SIGNATURE}"
    ticket = UploadTicket(put_url=signed, headers={}, download_url=signed, expires_at=None)
    told.append(ticket)
    questions = [
        provider.submit(model="a/b", video_url=signed, task=AnalysisType.SUMMARY, text=None),
        provider.poll(ID),
        provider.balance(),
        provider.quote(model="a/b", inputs={"video": signed}),
        provider.billings([ID]),
        provider.ticket(filename="a.mp4", size=5, content_type=None),
        provider.put(ticket, path, size=5),
    ]
    for question in questions:
        try:
            told.append(await question)
        except ReelcatError as error:
            told.extend((error, error.__cause__, error.__context__))
    return told


def echo(status, key):
    message = f"bad key {key} (Bearer {key}) for https://h/a.mp4?X-Amz-Signature={SIGNATURE}"
    return enveloped({"error": message}, status=status, message=message)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 402, 403, 404, 429, 500])
async def test_whatever_the_provider_echoes_no_secret_comes_out(
    stage, tmp_path, caplog, key, status
):
    reply = echo(status, key)
    reply.headers["Location"] = f"https://h/a.mp4?X-Amz-Signature={SIGNATURE}"
    stage.server.will(reply)
    with caplog.at_level(logging.DEBUG):
        told = await everything(stage, tmp_path)
    shown = "\n".join(f"{thing!r} {thing!s}" for thing in told) + caplog.text
    assert "127.0.0.1" in caplog.text
    assert key not in shown
    assert SIGNATURE not in shown


async def test_when_the_connection_breaks_no_secret_comes_out(stage, tmp_path, caplog, key):
    stage.server.will(Reply(manner="reset"))
    with caplog.at_level(logging.DEBUG):
        told = await everything(stage, tmp_path)
    shown = "\n".join(f"{thing!r} {thing!s}" for thing in told) + caplog.text
    assert key not in shown
    assert SIGNATURE not in shown
