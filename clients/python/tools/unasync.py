#!/usr/bin/env python3
"""Makes the blocking client from the asynchronous one: `python tools/unasync.py`, or with `--check` says whether it is as that would make it."""

import re
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "beep_python_client"
BY_HAND = {"__init__.py", "network.py"}
WORDS = [
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\.aclose\(\)", ".close()"),
    (r"__a(enter|exit|iter|next)__", r"__\1__"),
    (r"StopAsyncIteration", "StopIteration"),
    (r"from typing import (.*)", lambda found: "from typing import " + ", ".join(sorted(set(found[1].split(", ")), key=lambda name: (not name.isupper(), name)))),
]


def blocking(text: str) -> str:
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def main() -> int:
    stale = []
    for source in sorted((PACKAGE / "_async").glob("*.py")):
        if source.name in BY_HAND:
            continue
        target, made = PACKAGE / "_sync" / source.name, blocking(source.read_text())
        if not target.exists() or target.read_text() != made:
            stale.append(target.name)
            if "--check" not in sys.argv:
                target.write_text(made)
    if stale and "--check" in sys.argv:
        print("not as tools/unasync.py makes them: " + ", ".join(stale))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
