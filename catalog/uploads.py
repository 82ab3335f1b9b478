"""Uploads: where the provider can read a video that was sent to it, until it forgets."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog.models import Upload


def remember(
    session: Session, video_id: int, endpoint: str, download_url: str, expires_at: datetime
) -> None:
    """Keep an upload's address; it must not be a signed one."""
    session.merge(
        Upload(
            video_id=video_id,
            endpoint=endpoint,
            download_url=download_url,
            expires_at=expires_at,
        )
    )


def find(
    session: Session, video_ids: Collection[int], endpoint: str
) -> dict[int, tuple[str, datetime]]:
    """Give the addresses of uploads and when they end, of those videos that were uploaded."""
    rows = session.execute(
        select(Upload.video_id, Upload.download_url, Upload.expires_at).where(
            Upload.video_id.in_(video_ids), Upload.endpoint == endpoint
        )
    )
    return {row.video_id: (row.download_url, row.expires_at) for row in rows}


def forget(session: Session, video_id: int, endpoint: str) -> None:
    """Drop an upload that the provider could not read."""
    row = session.get(Upload, (video_id, endpoint))
    if row is not None:
        session.delete(row)
