"""A dead-man's switch on a loopback port, which writes down what it is asked for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: What nobody but the switch and its owner may know.
SECRET = "5e0f1c9a-0b1d-4f6e-9d3c-aa61f0b3c001"


@dataclass(kw_only=True)
class Switch:
    """What it heard, and how it answers."""

    url: str = ""
    #: What followed its own address, in order.
    heard: list[str] = field(default_factory=list)
    #: Status codes of the next answers; 200 after them.
    answers: list[int] = field(default_factory=list)
    #: While this is not set, nothing is answered.
    awake: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def listening_switch(*, awake: bool = True) -> Iterator[Switch]:
    """Listen for as long as the block lasts."""
    switch = Switch()
    if awake:
        switch.awake.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            switch.heard.append(self.path.removeprefix(f"/{SECRET}"))
            switch.awake.wait()
            self.send_response(switch.answers.pop(0) if switch.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    switch.url = f"http://127.0.0.1:{server.server_port}/{SECRET}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield switch
    finally:
        switch.awake.set()
        server.shutdown()
        thread.join()
        server.server_close()
