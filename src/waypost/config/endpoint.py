"""Where a deployment is called and with which key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from waypost.config.address import Address, parse_address
from waypost.config.environment import expand
from waypost.config.params import read_secret
from waypost.config.providers import home, needs_address
from waypost.config.report import Report, quoted
from waypost.config.tree import Node
from waypost.fleet.deployment import OLLAMA
from waypost.secret import Secret

_OLLAMAS_INTERFACES = re.compile(r"/(?:v1|api(?:/chat|/generate)?)$")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address (``None``: the lane knows the provider's own) and keys (none: the lane finds one, or none is needed)."""

    provider: str
    address: Address | None = None
    keys: tuple[Secret, ...] = ()


def find_endpoint(
    provider: str, params: Mapping[str, Any], where: Node, env: Mapping[str, str], report: Report
) -> Endpoint | None:
    """What the file says, else what the environment says, else the provider's own address; ``None`` leaves the deployment out.

    A key of the environment goes only to an address of the environment or the provider's own, never to one that the file names:
    whoever runs that server is not whom the key is for. An address whose variable is not set is never replaced by another one.
    """
    keys = _stated_keys(params, where, env, report)
    if provider == "simulated":
        return Endpoint(provider)
    name = "api_base" if params.get("api_base") else "base_url"
    at = where.at([name])
    stated = params.get(name)
    if stated:
        found = expand(stated, env) if isinstance(stated, str) else None
        if found is not None and found.missing:
            report.warning(at, f"the deployment is left out: the environment variable {quoted(found.missing[0])} is not set")
            return None
        address = parse_address(found.value or "") if found is not None else None
        if address is None:
            report.problem(at, f"{quoted(name)} must be an http or https address, such as `http://127.0.0.1:8000/v1`")
            return None
        return Endpoint(provider, _of_engine(provider, address), keys)
    own = home(provider)
    from_env = next((env[variable] for variable in own.variables if env.get(variable)), None)
    text = from_env or own.base
    address = parse_address(text) if text else None
    if address is None and (text or needs_address(provider)):
        report.problem(where, f"{quoted(provider + '/')} needs an `api_base`: the address of the server")
        return None
    if "api_key" not in params and own.key and env.get(own.key):
        keys = (Secret(env[own.key], f"os.environ/{own.key}"),)
    return Endpoint(provider, address and _of_engine(provider, address), keys)


def _of_engine(provider: str, address: Address) -> Address:
    """Ollama's own address, where one of its interfaces is given: LiteLLM takes that, and so does Waypost."""
    if provider not in OLLAMA:
        return address
    base, mark, query = address.url.partition("?")
    return replace(address, url=_OLLAMAS_INTERFACES.sub("", base) + mark + query)


def _stated_keys(params: Mapping[str, Any], where: Node, env: Mapping[str, str], report: Report) -> tuple[Secret, ...]:
    """The keys that the file gives, each once; one whose variable is not set is told and left out."""
    stated, at = params.get("api_key"), where.at(["api_key"])
    if isinstance(stated, str):
        found = [read_secret(stated, at, env, report)]
    else:
        found = [read_secret(one, at.at([position]), env, report) for position, one in enumerate(stated or ())]
    return tuple(dict.fromkeys(key for key in found if key is not None))
