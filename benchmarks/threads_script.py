"""The script that people write instead: threads, one look a second, no database.

    python threads_script.py FOLDER ANSWERS

Uploads and describes every clip of a folder and appends the answers to a file. It waits and tries
again where it is refused for its pace; where an answer is lost it sends the request again, and so
pays again.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

API = os.environ["WAVESPEED_BASE_URL"] + "/api/v3"
MODEL = "wavespeed-ai/molmo2/video-understanding"
KEY = {"Authorization": f"Bearer {os.environ['WAVESPEED_API_KEY']}"}
THREADS = 128
LOOK_EVERY_SECONDS = 1.0

sessions = threading.local()
writing = threading.Lock()


def session() -> requests.Session:
    """Give this thread's own connections."""
    if not hasattr(sessions, "one"):
        sessions.one = requests.Session()
    return sessions.one


def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a request, again and again until it is answered."""
    for attempt in range(8):
        try:
            answer = session().post(f"{API}/{path}", json=body, headers=KEY, timeout=60)
            if answer.status_code == 200:
                return dict(answer.json()["data"])
        except (requests.RequestException, ValueError):
            pass
        time.sleep(min(2**attempt, 30))
    raise RuntimeError(f"{path} was refused again and again")


def upload(path: Path) -> str:
    """Upload a clip; gives its address."""
    ticket = post("media/uploads", {"filename": path.name, "size": path.stat().st_size})
    place = ticket["upload"]
    with path.open("rb") as file:
        session().put(
            place["url"], data=file, headers=place.get("headers"), timeout=120
        ).raise_for_status()
    return str(ticket["download_url"])


def wait_for(prediction_id: str) -> str:
    """Look every second until there is an answer."""
    while True:
        time.sleep(LOOK_EVERY_SECONDS)
        try:
            answer = session().get(
                f"{API}/predictions/{prediction_id}/result", headers=KEY, timeout=30
            )
            data = answer.json()["data"] if answer.status_code == 200 else None
        except (requests.RequestException, ValueError, KeyError):
            continue
        if data and data["status"] == "completed":
            return str(data["outputs"][0])
        if data and data["status"] not in {"created", "processing"}:
            raise RuntimeError(data["error"])


def describe(path: Path, answers: Path) -> None:
    """Describe one clip and keep the answer."""
    accepted = post(MODEL, {"video": upload(path), "task": "summary"})
    text = wait_for(accepted["id"])
    with writing, answers.open("a") as file:
        file.write(json.dumps({"video": path.name, "text": text}) + "\n")


def main(folder: str, answers: str) -> None:
    """Describe all clips of a folder."""
    clips = sorted(path for path in Path(folder).iterdir() if path.is_file())
    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(describe, path, Path(answers)) for path in clips]:
            done.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
