"""What the token weights are fitted to: ``(kind, text)`` pairs of the kinds of text that prompts are made of.

People's prompts come from the development data; sentences in a hundred languages from the translations of an unpacked Django
wheel (5.2.19); code from this Python's standard library; the rest (logs, JSON, keys, digits, rare scripts) is drawn here from
a seed.
"""

from __future__ import annotations

import base64
import gettext
import json
import random
import sysconfig
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

Sample = tuple[str, str]

_SCRIPTS = {  # scripts that the other sources hardly have: first and last letter
    "tibetan": (0x0F40, 0x0FBC),
    "ethiopic": (0x1200, 0x135A),
    "lao": (0x0E81, 0x0EDF),
    "sinhala": (0x0D85, 0x0DDF),
    "gujarati": (0x0A85, 0x0ACD),
    "oriya": (0x0B05, 0x0B4D),
    "khmer": (0x1780, 0x17D3),
    "myanmar": (0x1000, 0x104F),
    "cherokee": (0x13A0, 0x13F5),
    "syriac": (0x0710, 0x074A),
    "thaana": (0x0780, 0x07B1),
    "nko": (0x07CA, 0x07F5),
    "rare_han": (0x3400, 0x4DBF),
    "han": (0x4E00, 0x9FFF),
    "hangul": (0xAC00, 0xD7A3),
    "mathematical": (0x1D400, 0x1D7FF),
    "symbols": (0x2190, 0x25FF),
    "emoji": (0x1F300, 0x1F64F),
    "more_emoji": (0x1F680, 0x1F9FF),
}
_WORDS = [
    "alpha",
    "status",
    "error",
    "warning",
    "timeout",
    "connection",
    "closed",
    "user",
    "login",
    "success",
    "failed",
    "retry",
    "request",
    "response",
    "light",
    "kitchen",
    "sensor",
    "temperature",
    "invoice",
    "customer",
    "order",
    "total",
    "payment",
    "address",
    "shipping",
    "delivery",
    "project",
    "task",
    "update",
    "release",
    "server",
]
_KEYS = ("id", "name", "value", "price_usd", "created_at", "status", "items", "user_id", "description", "is_active", "tags")


def corpus(prompts: Path, django: Path, seed: int = 7) -> Iterator[Sample]:
    """All training texts. ``prompts`` is a parquet file with ``text`` and ``lang``; ``django`` an unpacked wheel."""
    rng = random.Random(seed)
    yield from people(prompts)
    yield from translations(django, rng)
    yield from code(rng)
    for _ in range(500):
        yield from machine_text(rng)
    for _ in range(60):
        yield from rare_scripts(rng)
        yield "runs", "".join(rng.choice("a=-_.*# \n~/") * rng.randint(1, 80) for _ in range(rng.randint(1, 8)))


def people(path: Path) -> Iterator[Sample]:
    """Prompts, with their language."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - only where prompts are read

    table = pq.read_table(path, columns=["lang", "text"]).to_pydict()
    yield from zip(table["lang"], table["text"], strict=True)


def translations(django: Path, rng: random.Random) -> Iterator[Sample]:
    """One to five translated sentences at a time."""
    for path in sorted(django.glob("django/contrib/*/locale/*/LC_MESSAGES/*.mo")):
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # noqa: SLF001 - no other way to list
        said = [text for key, text in catalogue.items() if key and isinstance(text, str) and text not in ("", key)]
        rng.shuffle(said)
        while said:
            taken = [said.pop() for _ in range(min(len(said), rng.choice((1, 1, 2, 3, 5))))]
            yield f"translated-{path.parts[-3]}", " ".join(taken)


def code(rng: random.Random) -> Iterator[Sample]:
    """Cuts of Python files."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("[a-z]*/*.py"))
    for path in rng.sample(files, min(300, len(files))):
        text = path.read_text("utf-8", "replace")
        for _ in range(4):
            start = rng.randrange(max(1, len(text) - 1000))
            yield "code", text[start : start + rng.randint(100, 2000)] or "pass"


def machine_text(rng: random.Random) -> Iterator[Sample]:
    """One sample each of what machines write."""
    size = rng.randint(20, 400)
    yield "base64", base64.b64encode(rng.randbytes(size)).decode()
    yield "hex", rng.randbytes(size // 2).hex()
    yield "uuid", "\n".join(str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(rng.randint(1, 12)))
    yield "digits", " ".join(str(rng.randrange(10 ** rng.randint(1, 14))) for _ in range(rng.randint(2, 40)))
    yield "json", json.dumps([_record(rng) for _ in range(rng.randint(1, 8))], indent=rng.choice((None, 2, 4)))
    yield "log", "\n".join(_log_line(rng) for _ in range(rng.randint(1, 10)))
    yield "csv", "\n".join(",".join(str(_value(rng)) for _ in range(5)) for _ in range(rng.randint(1, 20)))
    yield (
        "url",
        " ".join(f"https://{'.'.join(rng.choices(_WORDS, k=2))}.org/{'/'.join(rng.choices(_WORDS, k=3))}" for _ in range(3)),
    )


def rare_scripts(rng: random.Random) -> Iterator[Sample]:
    """Random letters: no words, so these lean to the dear side."""
    for name, (first, last) in _SCRIPTS.items():
        words = ("".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 9))) for _ in range(rng.randint(1, 20)))
        yield name, " ".join(words)


def _value(rng: random.Random) -> object:
    return rng.choice((rng.randrange(10 ** rng.randint(1, 10)), round(rng.random() * 1000, 2), None, True, rng.choice(_WORDS)))


def _record(rng: random.Random) -> dict[str, object]:
    return {key: _value(rng) for key in rng.sample(_KEYS, rng.randint(2, 8))}


def _log_line(rng: random.Random) -> str:
    when = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=rng.randrange(3 * 10**10))
    level = rng.choice(("INFO", "WARN", "ERROR", "DEBUG"))
    words = " ".join(rng.choices(_WORDS, k=6))
    return f"{when.isoformat()} {level} [{rng.choice(_WORDS)}-{rng.randint(0, 99)}] {words} took={rng.randint(0, 99999)}"
