"""Whose machine an address means. Names are never looked up: what they stand for may change."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

# Networks that only reach machines of the user's own.
_OURS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "0.0.0.0/32",
        "::1/128",
        "::/128",
        "fc00::/7",
    )
)
_TRITON_MODEL = re.compile(r"/v2/models/[^/]+(?:/versions/[^/]+)?/(?:generate|infer)$")
_HOME_NAMES = (".localhost", ".local", ".lan", ".internal", ".home.arpa")


def is_loopback(host: str) -> bool:
    """It is this machine, seen from itself."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def is_ours(host: str) -> bool:
    """It is this machine, or one at a private address: private prompts may go there."""
    address = _address(host)
    if address is None:
        return host.lower() == "localhost"
    return any(address in network for network in _OURS if network.version == address.version)


def is_near(host: str) -> bool:
    """It is ours, or has a name that only a home or a container network knows: worth a look, and no proof of whose it is."""
    named = host != "" and _address(host) is None
    return is_ours(host) or (named and ("." not in host or host.lower().endswith(_HOME_NAMES)))


def host_of(url: str) -> str:
    """The host that an address names; empty where it names none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def root_of(url: str) -> str:
    """The address of an engine without the ``/v1`` under which it speaks OpenAI's dialect, or the model of a Triton's own."""
    return _TRITON_MODEL.sub("", url.partition("?")[0].rstrip("/").removesuffix("/v1").rstrip("/"))


def engine_at(url: str) -> str:
    """The same for every way to write one engine's address."""
    return root_of(url).replace("//localhost:", "//127.0.0.1:", 1)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
