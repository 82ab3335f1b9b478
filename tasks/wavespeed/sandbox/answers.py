"""The envelope of every answer, and refusals."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response


class Refusal(Exception):
    """A request that is answered with an error envelope and changes nothing."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str,
        code: int | None = None,
        error_code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status = status
        self.message = message
        #: The word under which the audit counts it.
        self.reason = reason
        self.code = status if code is None else code
        self.error_code = error_code
        self.headers = headers
        super().__init__(message)

    def response(self) -> Response:
        """Give the answer."""
        body: dict[str, Any] = {"code": self.code, "message": self.message, "data": None}
        if self.error_code is not None:
            body["error_code"] = self.error_code
        return reply(body, status=self.status, headers=self.headers)


def ok(data: Any) -> Response:
    """Answer with `data` in a successful envelope."""
    return reply({"code": 200, "message": "success", "data": data})


def reply(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON, without an envelope of its own."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, headers, "application/json")


def bare(status: int, body: Any = None) -> Response:
    """Answer as a gateway does that knows nothing of envelopes: with its own JSON, or no body."""
    if body is None:
        return Response(status_code=status)
    return reply(body, status=status)


def gateway_page(status: int, title: str) -> Response:
    """Answer with the HTML that a gateway in front of an API puts out."""
    page = (
        f"<html><head><title>{status} {title}</title></head><body><center><h1>{status} {title}</h1>"
        "</center><hr><center>gateway</center></body></html>"
    )
    return Response(page, status, media_type="text/html")
