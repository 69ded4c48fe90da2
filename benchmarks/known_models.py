"""Expects of models what other sources tell of them: a policy for `waypost eval quality`.

    cd benchmarks
    OUTCOMES=FOLDER waypost eval quality FOLDER/zeroeval_{gsm,mathl5,crux}.parquet --folds 2 \
        --only Meta-Llama-3.1-8B-Instruct --only gpt-4o-2024-08-06 --policy known_models:elsewhere

Nothing is learned from what is judged, and nothing from any file whose name begins like those of ZeroEval.
"""

from __future__ import annotations

import os
from pathlib import Path

from waypost.decide.live_quality import LiveQuality
from waypost.decide.task_model import load_task_model
from waypost.learn.abilities import train_abilities
from waypost.learn.answers import answers_of
from waypost.learn.outcomes import Outcomes

SOURCES = (
    "conduit_gsm8k",
    "farel_bench",
    "llmrouter_9",
    "misguided_attention",
    "mmlu_pro",
    "routellm_gsm8k",
    "routellm_mmlu",
    "routellm_mtbench",
)


def elsewhere(train: Outcomes) -> LiveQuality:
    """Abilities by the other shippable sources, whatever the training folds hold."""
    del train
    model = load_task_model()
    files = [Path(os.environ["OUTCOMES"], f"{name}.parquet") for name in SOURCES]
    return LiveQuality(train_abilities([answers_of(file, model) for file in files]))
