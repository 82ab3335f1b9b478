"""What a completed prediction puts out: an honest text, or a shape that a fault gives it."""

from __future__ import annotations

import json
from typing import Any

from tasks.wavespeed.sandbox.faults import Fault

_VERY_LONG = 200_000
_NON_ASCII = "Ein Café, 東京の夜、Москва, مرحبا, नमस्ते, 🎬🐈\u200d⬛, e\u0301"
_REFUSAL = "I'm sorry, but I can't help with describing this video."


def render(text: str, fate: Fault | None, address: str) -> Any:
    """Give `outputs` for the model's `text`; `address` is where the text can be fetched."""
    if fate is None:
        return [text]
    as_json = json.dumps({"summary": text, "objects": [{"name": "person", "count": 2}]})
    shapes: dict[Fault, Any] = {
        Fault.OUTPUT_EMPTY_LIST: [],
        Fault.OUTPUT_NULL: None,
        Fault.OUTPUT_EMPTY_TEXT: [""],
        Fault.OUTPUT_WHITESPACE: [" \n\t "],
        Fault.OUTPUT_NON_ASCII: [f"{_NON_ASCII} {text}"],
        Fault.OUTPUT_FENCED_JSON: [f"```json\n{as_json}\n```"],
        Fault.OUTPUT_CUT_JSON: [as_json[: len(as_json) // 2]],
        Fault.OUTPUT_REFUSAL: [_REFUSAL],
        Fault.OUTPUT_URL: [address],
        Fault.OUTPUT_OBJECT: [{"text": text}],
        Fault.OUTPUT_BARE_OBJECT: {"text": text},
        Fault.OUTPUT_SEVERAL: [text, f"Second text. {text}"],
    }
    if fate is Fault.OUTPUT_VERY_LONG:
        return [f"{text} " * (_VERY_LONG // (len(text) + 1) + 1)]
    return shapes.get(fate, [text])
