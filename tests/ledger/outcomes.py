"""Outcomes for tests, plain ones and generated ones, and programs that write a ledger from another process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from waypost.decide.card import Candidate, Decision, Removal
from waypost.decide.task import Known, TaskScores
from waypost.dispatch.attempt import Attempt
from waypost.dispatch.events import Usage
from waypost.ledger.record import Outcome, PromptDigest
from waypost.ledger.sqlite import SqliteLedger

SCORES = TaskScores({"coding": 0.93, "chat": 0.07}, "coding", Known(("a code fence",), "en"))
DIGEST = PromptDigest(hash="0" * 64, chars=400, messages=3)
USAGE = Usage(prompt_tokens=100, completion_tokens=20, cached_tokens=0)


def decision(decision_id: str = "wp_1", **fields: Any) -> Decision:
    """A decision for coding, with two candidates and one removal."""
    given: dict[str, Any] = {
        "requested": "auto",
        "route": "coding",
        "reason": "the task is coding",
        "task": SCORES,
        "candidates": (
            Candidate("near", "near", "ollama", "small", "first of the route", {"temperature": 0.2}, expected_cost_usd=0.0),
            Candidate("far", "far", "openai", "large", "second of the route", fallback=True),
        ),
        "removed": (Removal("blind", "modality", "cannot see images"),),
        "prompt_tokens": 110,
        "answer_tokens": 512,
        "policy_version": "p1",
        "artefact_version": "a1",
        **fields,
    }
    return Decision(id=decision_id, **given)


def outcome(decision_id: str = "wp_1", **fields: Any) -> Outcome:
    """``near`` was not there, ``far`` answered."""
    given: dict[str, Any] = {
        "decision": decision(decision_id),
        "attempts": (
            Attempt("near", 0.01, 0.02, error="provider_unreachable", message="connection refused"),
            Attempt(
                "far",
                0.02,
                1.5,
                0.4,
                committed=True,
                upstream_status=200,
                finish_reason="stop",
                usage=USAGE,
                cost_usd=0.25,
                verdict="ok",
            ),
        ),
        "started_at": 1_700_000_000.25,
        "duration_s": 1.5,
        "first_output_s": 0.4,
        "status": "ok",
        "http_status": 200,
        "dialect": "openai",
        "stream": True,
        "usage": USAGE,
        "cost_usd": 0.25,
        "prompt": DIGEST,
        "deployment": "far",
        "finish_reason": "stop",
        **fields,
    }
    return Outcome(**given)


async def until_stored(ledger: SqliteLedger) -> None:
    """Returns when all that was written is in the file."""
    while ledger.queued:  # noqa: ASYNC110  # the writer is a thread that tells nobody
        await asyncio.sleep(0.005)


# Every character, NUL, lone surrogates and terminal escapes among them.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
NUMBERS = st.none() | st.floats(min_value=-1e12, max_value=1e12)
COUNTS = st.none() | st.integers(min_value=-(2**70), max_value=2**70)
USAGES = st.none() | st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, st.booleans())
ANY_JSON = st.recursive(
    NUMBERS | COUNTS | TEXTS | st.booleans() | st.just(float("nan")) | st.just(float("inf")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(TEXTS, inner, max_size=3)
    ),
    max_leaves=8,
)
ATTEMPTS = st.builds(
    Attempt,
    TEXTS,
    st.floats(0, 600),
    st.floats(0, 600),
    NUMBERS,
    st.booleans(),
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.none() | st.integers(100, 599),
    st.none() | TEXTS,
    USAGES,
    NUMBERS,
    st.integers(0, 9),
    st.none() | TEXTS,
)


@st.composite
def outcomes(draw: st.DrawFn, decision_id: str = "wp_1") -> Outcome:
    """Anything that dispatch and the dialects might hand over, hostile texts and numbers included."""
    settings = draw(st.dictionaries(TEXTS, ANY_JSON, max_size=3))
    candidate = Candidate(draw(TEXTS), draw(TEXTS), "openai", draw(TEXTS), draw(TEXTS), settings)
    decided = decision(
        decision_id,
        requested=draw(TEXTS),
        route=draw(st.none() | TEXTS),
        reason=draw(TEXTS),
        task=TaskScores({"chat": 1.0}, draw(st.sampled_from([None, "chat"])), Known((draw(TEXTS),))),
        candidates=(candidate,),
    )
    return outcome(
        decision=decided,
        attempts=tuple(draw(st.lists(ATTEMPTS, max_size=3))),
        first_output_s=draw(NUMBERS),
        deployment=draw(st.none() | TEXTS),
        error=draw(st.none() | TEXTS),
        finish_reason=draw(st.none() | TEXTS),
        usage=draw(USAGES),
        cost_usd=draw(NUMBERS),
        session=draw(st.none() | TEXTS),
        caller=draw(st.none() | TEXTS),
        simulated=draw(st.booleans()),
        cache=draw(st.sampled_from([None, "hit", "shared", "miss"])),
        text=draw(st.none() | TEXTS),
    )


# Writes rows to the ledger of its first argument, with ids that begin with the second.
_PROGRAM = """
import asyncio, resource, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from ledger.outcomes import outcome
from waypost.ledger.sqlite import SqliteLedger

path, prefix = Path(sys.argv[1]), sys.argv[2]
"""


def program(path: Path, prefix: str, body: str) -> list[str]:
    """The command line of a process that runs ``body`` with ``path``, ``prefix``, ``outcome`` and ``SqliteLedger`` at hand."""
    return [sys.executable, "-c", _PROGRAM + body, str(path), prefix, str(Path(__file__).parent.parent)]
