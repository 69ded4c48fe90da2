"""`waypost serve`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from waypost.cli.output import config_option

LEVELS = ("debug", "info", "warning", "error")

if TYPE_CHECKING:
    from waypost.router import Router
    from waypost.startup import Assembly


@click.command()
@config_option
@click.option("--host", help="The address to listen on. [default: server.host of the config, else 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="The port. [default: server.port of the config, else 4100]")
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
    help="How much to log.",
)
def command(path: Path | None, host: str | None, port: int | None, log_level: str) -> None:
    """Start the server.

    Without a config file it looks for engines on this machine (Ollama, vLLM, TensorRT-LLM, llama.cpp, llama-swap, LM Studio),
    and, if it finds none, serves a simulated fleet.
    """
    from waypost.server.run import open_socket, serve
    from waypost.startup import read_config

    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = read_config(path)
    for warning in config.warnings:
        click.echo(f"warning: {warning}", err=True)
    host = host or config.server.host
    listening = open_socket(host, config.server.port if port is None else port, unsafe=config.server.allow_unauthenticated_lan)
    address = listening.getsockname()
    url = f"http://[{address[0]}]:{address[1]}" if ":" in address[0] else f"http://{address[0]}:{address[1]}"
    has_file = bool(config.files)
    serve(path, config, host, listening, lambda router, assembly: _announce(router, assembly, url, has_file=has_file))


def _announce(router: Router, assembly: Assembly, url: str, *, has_file: bool) -> None:
    from waypost.cli.fleet_table import print_fleet
    from waypost.cli.output import console

    screen = console()
    for line in assembly.looked:
        screen.print(line, style="dim")
    if assembly.simulated:
        screen.print(
            "\nNO ENGINE WAS FOUND: this is a SIMULATED fleet. The routing is real; every answer is made up by Waypost "
            "itself, and says so. Start Ollama, vLLM, llama.cpp or LM Studio, or write a waypost.yaml, and it goes away.\n",
            style="bold yellow",
        )
    print_fleet(screen, router.view())
    if not has_file:
        screen.print("\nThere is no config file: `waypost init` writes what was found into one, with comments.", style="dim")
    request = '{"model": "auto", "messages": [{"role": "user", "content": "Hello!"}]}'
    screen.print(f"\nWaypost serves on {url}/v1\n", style="bold")
    screen.print(f"  curl {url}/v1/chat/completions -H 'content-type: application/json' -d '{request}'\n", soft_wrap=True)
    screen.print(
        f"  python -c \"from openai import OpenAI; print(OpenAI(base_url='{url}/v1', api_key='none').chat.completions.create("
        "model='auto', messages=[{'role': 'user', 'content': 'Hello!'}]).choices[0].message.content)\"\n",
        soft_wrap=True,
    )
