"""Records as JSON files: written whole or not at all, read without trust."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zplus.files import atomic, regular


def plain(value: Any) -> Any:
    """What JSON can hold: paths become text, and numbers that are none (nan, infinite) null.

    >>> plain({"psnr": math.inf, "latent": Path("a"), "steps": 3})
    {'psnr': None, 'latent': 'a', 'steps': 3}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [plain(x) for x in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a record, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(plain(data), indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any] | None:
    """A record, or None where there is none that can be read."""
    try:
        found = json.loads(regular(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
