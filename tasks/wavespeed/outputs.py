"""The text inside a completed prediction's outputs.

The documentation calls `outputs[0]` a URL, the model's own page shows a sentence, and siblings
answer with objects, so every one of those shapes is read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tasks.untrusted_values import storable

_LONE_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
#: Where an object may hold the text, best first.
_TEXT_KEYS = ("text", "output", "outputs", "url")
#: Deeper nesting is not an answer, it is an attack on the stack.
_MOST_NESTING = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Elsewhere:
    """The whole output is one URL: the text may lie behind it, or the URL may be the text."""

    url: str


def read_outputs(outputs: Any) -> str | Elsewhere | None:
    """The text, or where it lies; None when there is nothing but emptiness.

    Several texts are joined by empty lines. An object without a known key is its own JSON text.
    """
    text = "\n\n".join(_texts(outputs, depth=0))
    if not text:
        return None
    if _LONE_URL.fullmatch(text):
        return Elsewhere(url=text)
    return text


def as_json(outputs: Any) -> str:
    """The outputs as JSON text that any database takes."""
    return storable(json.dumps(outputs, ensure_ascii=False, default=_number))


def _texts(value: Any, *, depth: int) -> list[str]:
    if value is None or depth > _MOST_NESTING:
        return []
    if isinstance(value, str):
        text = storable(value).strip()
        return [text] if text else []
    if isinstance(value, list):
        return [text for item in value for text in _texts(item, depth=depth + 1)]
    if isinstance(value, dict):
        for key in _TEXT_KEYS:
            if found := _texts(value.get(key), depth=depth + 1):
                return found
        others = {key: held for key, held in value.items() if key not in _TEXT_KEYS}
        return [as_json(value)] if others else []
    return [as_json(value)]


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
