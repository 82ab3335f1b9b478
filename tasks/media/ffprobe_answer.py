"""What ffprobe writes about a file, as JSON."""

from __future__ import annotations

from pydantic import BaseModel, Field, ValidationError

from tasks.media.engine import EngineFailed


class FfprobeStream(BaseModel):
    """One stream as ffprobe writes it; every field may be missing."""

    codec_type: str = "unknown"
    codec_name: str | None = None
    codec_tag_string: str | None = None
    width: int | None = None
    height: int | None = None
    avg_frame_rate: str = "0/0"
    r_frame_rate: str = "0/0"
    duration: str | None = None
    disposition: dict[str, int] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    side_data_list: list[dict[str, object]] = Field(default_factory=list)


class FfprobeFormat(BaseModel):
    """The container as ffprobe writes it."""

    format_name: str = ""
    duration: str | None = None
    start_time: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)


class FfprobeError(BaseModel):
    """Why ffprobe gave up, as one of FFmpeg's numbers."""

    code: int


class FfprobeAnswer(BaseModel):
    """All of it."""

    streams: list[FfprobeStream] = Field(default_factory=list)
    format: FfprobeFormat = Field(default_factory=FfprobeFormat)
    error: FfprobeError | None = None


def read_answer(output: bytes) -> FfprobeAnswer:
    """Read it.

    Raises:
        EngineFailed: it makes no sense.
    """
    try:
        return FfprobeAnswer.model_validate_json(output.decode("utf-8", errors="replace"))
    except ValidationError as error:
        raise EngineFailed("ffprobe's answer could not be read.") from error
