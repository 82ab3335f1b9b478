"""Upload tickets, the storage they lead to, and what can be downloaded from it."""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from tasks.sandbox import wire
from tasks.sandbox.fault_responses import storage_error
from tasks.sandbox.faults import Fault, Stage
from tasks.sandbox.predictions import Status
from tasks.sandbox.provider import Sandbox
from tasks.sandbox.routes.access import storage_origin
from tasks.sandbox.storage import Ticket, Upload
from tasks.sandbox.wire import Refusal, ok, rfc3339, span


async def ticket(sandbox: Sandbox, request: Request, fault: Fault | None) -> Response:
    """POST /api/v3/media/uploads: permission to PUT one file."""
    body = await wire.read(request, wire.TicketBody)
    if body.size > sandbox.options.max_upload_bytes:
        raise Refusal(413, "file too large", reason="size")
    lasts_ns = span(sandbox.options.ticket_seconds)
    expired = fault is Fault.TICKET_EXPIRED
    made = Ticket(
        id=secrets.token_hex(16),
        filename=Path(body.filename).name or "upload",
        size=body.size,
        content_type=body.content_type,
        expires_ns=sandbox.now() - span(1) if expired else sandbox.now() + lasts_ns,
    )
    sandbox.storage.issue(made)
    return ok(_ticket_json(sandbox, made, storage_origin(sandbox, request)))


async def put(sandbox: Sandbox, request: Request, _fault: Fault | None) -> Response:
    """PUT /storage/upload/{id}/{filename}: store the announced bytes, once."""
    query = request.query_params
    made = sandbox.storage.ticket(request.path_params["id"], query.get("signature", ""))
    refused = _refused_put(sandbox, request, made)
    if refused is not None or made is None:
        return refused or _mismatch()
    partial, sha256, size = await _received(sandbox, request)
    if size != made.size:
        _discard(partial)
        return storage_error(400, "IncompleteBody", "The body has not the announced size")
    if sandbox.storage.holds(made):
        _discard(partial)
        return _exists()
    gone = sandbox.draw(Stage.MEDIA, request.url.path) is Fault.MEDIA_GONE
    place = _moved(partial, sandbox.storage.place(made))
    stored_ns = sandbox.now()
    sandbox.storage.keep(
        Upload(ticket=made, path=place, sha256=sha256, stored_ns=stored_ns, gone=gone)
    )
    return Response(headers={"ETag": f'"{sha256[:32]}"'})


async def download(sandbox: Sandbox, request: Request, _fault: Fault | None) -> Response:
    """GET /storage/media/{id}/{filename}: the stored bytes; ranges are served."""
    upload = sandbox.storage.get(request.path_params["id"], sandbox.now())
    if upload is None:
        return storage_error(404, "NoSuchKey", "The object does not exist")
    return FileResponse(upload.path, media_type=upload.ticket.content_type)


async def text(sandbox: Sandbox, request: Request, _fault: Fault | None) -> Response:
    """GET /storage/text/{id}.txt: an answer that was put out as an address."""
    prediction = sandbox.account.get(request.path_params["id"], sandbox.now())
    end = None if prediction is None else prediction.end
    if end is None or end.status is not Status.COMPLETED:
        return storage_error(404, "NoSuchKey", "The object does not exist")
    return PlainTextResponse(end.text)


def _ticket_json(sandbox: Sandbox, made: Ticket, where: str) -> dict[str, Any]:
    signed = urlencode({"signature": sandbox.storage.signature(made)})
    return {
        "type": made.content_type.partition("/")[0],
        "download_url": f"{where}/storage/media/{made.path}",
        "filename": made.filename,
        "size": made.size,
        "upload": {
            "method": "PUT",
            "url": f"{where}/storage/upload/{made.path}?{signed}",
            "headers": {"Content-Type": made.content_type, "If-None-Match": "*"},
            "expires_at": rfc3339(made.expires_ns),
        },
    }


def _refused_put(sandbox: Sandbox, request: Request, made: Ticket | None) -> Response | None:
    headers = request.headers
    length = headers.get("content-length")
    refused: Response | None = None
    if made is None:
        refused = _mismatch()
    elif sandbox.now() >= made.expires_ns:
        refused = storage_error(403, "AccessDenied", "Request has expired")
    elif headers.get("if-none-match") != "*" or headers.get("content-type") != made.content_type:
        refused = _mismatch()
    elif sandbox.storage.holds(made):
        refused = _exists()
    elif length is None:
        refused = storage_error(411, "MissingContentLength", "Say how long the body is")
    elif length != str(made.size):
        refused = storage_error(400, "InvalidRequest", "The body has not the announced size")
    return refused


async def _received(sandbox: Sandbox, request: Request) -> tuple[Path, str, int]:
    digest = hashlib.sha256()
    size = 0
    with tempfile.NamedTemporaryFile(
        dir=sandbox.storage.folder, prefix="arriving-", delete=False
    ) as file:
        partial = Path(file.name)
        try:
            async for piece in request.stream():
                size += len(piece)
                digest.update(piece)
                file.write(piece)
        except ClientDisconnect:
            _discard(partial)
            raise
    return partial, digest.hexdigest(), size


def _moved(partial: Path, place: Path) -> Path:
    return partial.replace(place)


def _discard(partial: Path) -> None:
    partial.unlink(missing_ok=True)


def _mismatch() -> Response:
    message = "The signature does not fit this address and these headers"
    return storage_error(403, "SignatureDoesNotMatch", message)


def _exists() -> Response:
    return storage_error(412, "PreconditionFailed", "The object exists")
