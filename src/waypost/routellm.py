"""RouteLLM's own routers, from the installed `routellm` package (github.com/lm-sys/RouteLLM, Apache-2.0, arXiv 2406.18665)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from waypost.errors import ArtefactError

ROUTERS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "random": {},
        "mf": {"checkpoint_path": ""},
        "bert": {"checkpoint_path": ""},
        "sw_ranking": {"arena_battle_datasets": "battles", "arena_embedding_datasets": "embeddings"},
    }
)
"""What each router, by RouteLLM's name, takes from the folder of its checkpoint: all that can be made from one."""

_FROM = MappingProxyType(
    {
        "mf": "routellm/mf_gpt4_augmented",
        "bert": "routellm/bert_gpt4_augmented",
        "sw_ranking": "--repo-type dataset lmsys/lmsys-arena-human-preference-55k (or routellm/arena_battles_embeddings)",
    }
)


@dataclass(frozen=True, slots=True)
class RouteLLMRouter:
    """One of them. It computes in the caller's thread, and `mf` and `sw_ranking` ask an embedding endpoint for each prompt."""

    name: str
    router: Any

    def calculate_strong_win_rate(self, prompt: str) -> float:
        """How probable it is that the strong model's answer is the better one. Raises ArtefactError where the router fails."""
        try:
            rate = float(self.router.calculate_strong_win_rate(prompt))
        except Exception as error:  # whatever torch, transformers and the client of OpenAI raise
            raise ArtefactError(f"RouteLLM's router {self.name} failed with {type(error).__name__}") from error
        if not 0 <= rate <= 1:
            raise ArtefactError(f"RouteLLM's router {self.name} gave {rate} for a win rate")
        return rate


def load_router(name: str, checkpoint: Path | None) -> RouteLLMRouter:
    """The router of that name. ``checkpoint`` is a folder on this machine: nothing is ever downloaded. Takes seconds.

    Raises ArtefactError, with what to do, where it cannot be made.
    """
    if name == "causal_llm":
        raise ArtefactError(
            "RouteLLM's causal_llm cannot be made from a folder: its code asks the hub for two files, and needs CUDA; make it "
            "in a module of your own, and name that as MODULE:NAME"
        )
    if name not in ROUTERS:
        raise ArtefactError(f"RouteLLM has no router {name}: it has {', '.join(ROUTERS)}")
    options: dict[str, Any] = {}
    for option, part in ROUTERS[name].items():
        if checkpoint is None or not (checkpoint / part).is_dir():
            raise ArtefactError(
                f"RouteLLM's {name} needs a folder of this machine with its {part or 'checkpoint'}; nothing is downloaded: "
                f"`hf download {_FROM[name]} --local-dir FOLDER` fetches it"
            )
        options[option] = [str(checkpoint / part)] if part else str(checkpoint)
    known = _classes()
    try:
        return RouteLLMRouter(name, known[name](**options))
    except Exception as error:
        raise ArtefactError(
            f"RouteLLM's router {name} cannot be made from that folder ({type(error).__name__}): it needs what RouteLLM itself "
            "writes there"
        ) from error


def _classes() -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = importlib.import_module("routellm.routers.routers").ROUTER_CLS
    except ImportError as error:
        raise ArtefactError(f"RouteLLM's routers need its package: pip install 'waypost[routellm]' ({error})") from error
    except Exception as error:
        # Its module makes a client of OpenAI when it is imported, for every router.
        raise ArtefactError(
            f"the package routellm does not load ({type(error).__name__}): it wants OPENAI_API_KEY to be set, to anything "
            "where no embeddings are asked for; OPENAI_BASE_URL says where they are"
        ) from error
    return found
