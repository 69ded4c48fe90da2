"""Corrections as a router keeps them: by decision or by text, over restarts, reloads and forgetting."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from waypost import Router, feedback
from waypost.config import loads
from waypost.decide.correction import Correction
from waypost.errors import InvalidRequest, LedgerError, NotFound, PolicyError
from waypost.ledger import MemoryLedger

TEXT = "Who wrote Dune?"


def config(path: Path, **blocks: Any) -> dict[str, Any]:
    entry = {"model_name": "a", "litellm_params": {"model": "simulated/a"}}
    return {"model_list": [entry], "ledger": {"path": str(path / "ledger.db")}, **blocks}


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Router]:
    with Router.from_config(config(tmp_path)) as made:
        yield made


def task_of(router: Router, text: str = TEXT) -> str | None:
    return router.route(text).task.task


def test_a_decision_is_corrected_by_its_id_and_the_next_one_follows(router: Router) -> None:
    before = router.route(TEXT)
    assert before.task.task != "memory"
    made = router.feedback(before.id, task="memory", caller="anna")
    after = router.route(TEXT)
    assert after.task.task == after.route == "memory"
    assert after.artefact_version.startswith(f"{before.artefact_version}+")
    assert router.corrections() == (made,)
    assert router.forget_corrections([made.id]) == 1
    assert router.forget_corrections([made.id, "\ud800"]) == 0
    again = router.route(TEXT)
    assert (again.task, again.artefact_version) == (before.task, before.artefact_version)


async def test_a_call_is_corrected_by_its_id(router: Router) -> None:
    reply = await router.acompletion(messages=TEXT)
    router.feedback(reply.decision.id, task="memory")
    assert task_of(router) == "memory"


def test_nothing_but_the_sketch_the_task_the_caller_and_the_time_is_stored(router: Router, tmp_path: Path) -> None:
    secret = "the xylophagous margravine hides in Wintringham"
    made = router.feedback(text=secret, task="memory", caller="anna\x1b[31m")
    assert made.caller == "anna\ufffd[31m"
    router.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert made.sketch in stored
    assert not any(word.encode() in stored for word in secret.split() if len(word) > 4)


def test_a_restart_keeps_corrections_and_a_reload_too(tmp_path: Path) -> None:
    with Router.from_config(config(tmp_path)) as first:
        first.feedback(text=TEXT, task="memory")
    with Router.from_config(config(tmp_path)) as second:
        assert task_of(second) == "memory"
        second.apply(loads("policy: {answer_tokens: 7}"), second.config.setup.deployments)
        second.renew_corrections()
        assert task_of(second) == "memory"


def test_switched_off_nothing_is_taken_or_followed_and_nothing_is_lost(router: Router) -> None:
    router.feedback(text=TEXT, task="memory")
    router.apply(loads("feedback: {enabled: false}"), router.config.setup.deployments)
    router.renew_corrections()
    assert task_of(router) != "memory"
    with pytest.raises(PolicyError, match=r"feedback\.enabled"):
        router.feedback(text=TEXT, task="memory")
    assert len(router.corrections()) == 1
    router.apply(loads(""), router.config.setup.deployments)
    router.renew_corrections()
    assert task_of(router) == "memory"


def test_lower_caps_remove_the_oldest_for_good(router: Router) -> None:
    texts = ("apples and pears", "the tallest tower", "a quiet evening")
    made = [router.feedback(text=text, task="memory") for text in texts]
    router.apply(loads("feedback: {per_caller: 2}"), router.config.setup.deployments)
    router.renew_corrections()
    assert router.corrections() == tuple(made[1:])


def test_a_second_word_on_the_same_text_replaces_the_first(router: Router) -> None:
    router.feedback(text=TEXT, task="coding")
    last = router.feedback(text="who wrote dune?", task="memory")
    assert router.corrections() == (last,)
    assert task_of(router) == "memory"


def test_without_a_file_corrections_live_in_memory() -> None:
    with Router(loads("ledger: {enabled: false}")) as router:
        router.feedback(text=TEXT, task="memory")
        assert task_of(router) == "memory"


def test_two_routers_on_one_ledger_take_up_each_others_corrections(router: Router, tmp_path: Path) -> None:
    with Router.from_config(config(tmp_path)) as other:
        made = other.feedback(text=TEXT, task="memory")
        router.renew_corrections()
        assert task_of(router) == "memory"
        router.forget_corrections([made.id])
        other.renew_corrections()
        assert task_of(other) != "memory"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"task": "dancing", "text": TEXT}, "tool_calling, vision, chat, memory, reasoning, coding"),
        ({"task": "memory", "text": " \n"}, "no word"),
        ({"task": "memory", "text": "👍"}, "no word"),
        ({"task": "memory"}, "which decision"),
        ({"task": 5, "text": TEXT}, "no such task"),
        ({"task": "memory", "text": 5}, "must be a text"),
        ({"task": "memory", "text": TEXT, "caller": 5}, "must be a text"),
        ({"task": "memory", "decision_id": b"wp_1"}, "must be a text"),
    ],
)
def test_what_cannot_be_learnt_from_says_why(router: Router, given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        router.feedback(**given)
    assert router.corrections() == ()


def test_what_a_fact_decided_teaches_nothing(router: Router) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    words = {"type": "text", "text": TEXT}
    card = router.route([{"role": "user", "content": [words, picture]}])
    with pytest.raises(InvalidRequest, match="nothing to learn"):
        router.feedback(card.id, task="memory")


def test_only_so_many_decisions_are_remembered(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "REMEMBERED", 3)
    ids = [router.route(TEXT).id for _ in range(4)]
    with pytest.raises(NotFound, match="send the text itself"):
        router.feedback(ids[0], task="memory")
    assert router.feedback(ids[0], text=TEXT, task="memory").task == "memory"
    assert router.feedback(ids[1], task="memory").task == "memory"


@pytest.mark.parametrize("before", [0, 2, 3])
def test_of_two_decisions_with_one_id_the_later_one_is_corrected(
    router: Router, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setattr(feedback, "REMEMBERED", 4)
    other = "Turn on the kitchen light"
    for text in (other,) * before:
        router.route(text)
    first = router.route(other)
    router.remember(replace(router.route(TEXT), id=first.id))
    router.feedback(first.id, task="memory")
    assert (task_of(router), task_of(router, other)) == ("memory", first.task.task)


FORKED = """
import os
from waypost import Router

router = Router.from_config({"ledger": {"enabled": False}})
ours = router.route("Who wrote Dune?")
if not (child := os.fork()):
    theirs = router.route("Turn on the kitchen light")
    for _ in range(10_000):
        router.remember(theirs)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
router.feedback(ours.id, task="memory")
print(router.route("Who wrote Dune?").task.task)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks on this system")
def test_a_fork_changes_nothing_of_what_its_parent_remembers() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "memory\n", done.stderr


def test_a_ledger_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = MemoryLedger()

    def full(given: object) -> None:
        raise LedgerError("the disk is full")

    with Router(loads("ledger: {enabled: false}"), ledger=ledger) as router:
        monkeypatch.setattr(ledger, "add_corrections", full)
        with pytest.raises(LedgerError):
            router.feedback(text=TEXT, task="memory")
        assert task_of(router) != "memory"


def test_many_threads_lose_no_correction(router: Router) -> None:
    words = ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple"]
    threads = [threading.Thread(target=router.feedback, kwargs={"text": f"the {w} tree", "task": "memory"}) for w in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(router.corrections()) == len(words)
    assert all(task_of(router, f"the {word} tree") == "memory" for word in words)


def test_exported_corrections_can_be_taken_again(router: Router) -> None:
    made = router.feedback(text=TEXT, task="memory")
    router.forget_corrections([made.id])
    router._feedback.take([Correction.from_dict(made.to_dict(), now=time.time())] * 2)
    assert router.corrections() == (made,)
    assert task_of(router) == "memory"
