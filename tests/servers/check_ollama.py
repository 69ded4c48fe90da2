"""Asks a running Ollama for every fact that Waypost leans on, and prints what holds.

    python tests/servers/check_ollama.py http://127.0.0.1:11434 qwen3:0.6b

It loads the model, with small windows, and unloads it at the end. It ends with 1 if something differs. A small model that has
tools and thinks tries most; run it again with an embedding model, and with one that has no tools, for the rest.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import click

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from servers.ollama_facts import FACTS, Differs, Fact, NotTried, Server

# A cold load of a large model from a slow disk.
TIMEOUT_S = 600.0


async def checked(url: str, model: str) -> list[tuple[str, str, str]]:
    """For each fact: its sentence, ``ok``, ``differs`` or ``not tried``, and why."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as session:
        server = Server(session, url.rstrip("/"), model)
        server.shown = await server.json("POST", "/api/show", {"model": model})
        return [(sentence, *await _outcome(server, fact)) for sentence, fact in FACTS]


async def _outcome(server: Server, fact: Fact) -> tuple[str, str]:
    try:
        await fact(server)
    except NotTried as reason:
        return "not tried", str(reason)
    except Differs as seen:
        return "differs", str(seen)
    except (KeyError, ValueError, TypeError, IndexError, aiohttp.ClientError, asyncio.TimeoutError) as error:
        return "differs", f"{type(error).__name__}: {error}"
    return "ok", ""


@click.command()
@click.argument("url")
@click.argument("model")
def main(url: str, model: str) -> None:
    """Checks the Ollama at URL with MODEL."""
    try:
        found = asyncio.run(checked(url, model))
    except (Differs, aiohttp.ClientError, OSError) as error:
        raise click.ClickException(f"cannot ask {url} about {model}: {error}") from None
    for sentence, outcome, why in found:
        click.echo(f"{outcome:<9}  {sentence}" + (f": {why}" if why else ""))
    outcomes = [outcome for _, outcome, _ in found]
    click.echo(", ".join(f"{outcomes.count(word)} {word}" for word in ("ok", "differs", "not tried")))
    sys.exit(1 if "differs" in outcomes else 0)


if __name__ == "__main__":
    main()
