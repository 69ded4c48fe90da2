"""Names for which there is nothing to decide: unknown ones, and those that choose where nothing may be chosen."""

from __future__ import annotations

from waypost.decide.card import Decision, Refusal
from waypost.decide.embedding import names_for_embeddings
from waypost.decide.names import PAIRED, closest, is_of_a_pair, wrong_number
from waypost.decide.policy import Policy
from waypost.decide.task import TaskScores
from waypost.errors import InvalidRequest, MissingCapability, UnknownModel
from waypost.fleet.view import FleetView
from waypost.turn import Turn


def unknown_model(turn: Turn, fleet: FleetView, policy: Policy, scores: TaskScores, version: str) -> Decision:
    """Nothing has this name, or it wants a number and has none; the message has what would help. ``version`` is that of the
    artefacts.
    """
    wrong = wrong_number(turn.model, fleet, policy)
    if wrong is not None:
        refusal = Refusal(InvalidRequest, f"model {turn.model[:100]!r}: {wrong}", param="model")
        return _card(turn, policy, scores, version, "the number in this name is none", refusal)
    near = closest(turn.model, fleet, policy)
    hint = f"did you mean {', '.join(near)}?" if near else "GET /v1/models lists what there is"
    if is_of_a_pair(turn.model, policy) and not any(name.startswith(PAIRED) for name in near):
        known = f"there {'is' if len(policy.pairs) == 1 else 'are'} {', '.join(sorted(policy.pairs)[:3]) or 'none'}"
        hint = f"{PAIRED}NAME-0.11593 needs a pair NAME under router_pairs, and {known}"
    refusal = Refusal(UnknownModel, f"model {turn.model[:100]!r} not found; {hint}", param="model")
    return _card(turn, policy, scores, version, "no deployment, route or alias has this name", refusal)


def changing_model(turn: Turn, fleet: FleetView, policy: Policy, scores: TaskScores, version: str) -> Decision:
    """A name that chooses between models is asked for an embedding; the message has some that do not."""
    names = names_for_embeddings(fleet, policy)
    instead = f"ask for {' or '.join(names[:3])}" if names else "no embedding model is configured or was found"
    message = f"{turn.model} chooses between models, and vectors must always be of the same one: {instead}"
    refusal = Refusal(MissingCapability, message, param="model")
    return _card(turn, policy, scores, version, "this name chooses between models", refusal)


def _card(turn: Turn, policy: Policy, scores: TaskScores, version: str, reason: str, refusal: Refusal) -> Decision:
    return Decision(
        id=turn.id,
        requested=turn.model,
        route=None,
        reason=reason,
        task=scores,
        candidates=(),
        removed=(),
        prompt_tokens=turn.prompt_tokens,
        answer_tokens=policy.answer_tokens_of(turn),
        policy_version=policy.version,
        artefact_version=version,
        refusal=refusal,
    )
