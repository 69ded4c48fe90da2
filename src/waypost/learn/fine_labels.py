"""What the finer labels of public data sets mean in ours."""

from __future__ import annotations

import re

from waypost.decide.labels import ACTION, TASK_OF
from waypost.learn.datasets import Row

_STATES = (
    "_query$|^query|status_|GetState|TimerStatus|GetAlarms|GetEvents|GetAvailable|^balance|bill_balance|bill_due|min_payment|"
    "transactions|spending_history|order_status|pto_balance|pto_request_status|rewards_balance|CheckBalance|ClimateGet|"
    "meeting_schedule|^gas$"
)
_LIVE = (
    "eather|raffic|news|qa_stock|qa_currency|exchange_rate|datetime|^time$|^date$|timezone|CurrentTime|CurrentDate|flight_status|"
    "travel_alert|directions|^distance|current_location|transport_query|what_song|music_query|takeaway_query|Lookup|GetTimesFor|"
    "GetEventDates|recommendation_"
)
_TALK = (
    "chitchat|companion|smalltalk|are_you|carry_on|closing|goodbye|greeting|how_old|do_you|maybe$|meaning_of|no$|yes$|thank|what_are|"
    "what_can|what_is_your|where_are|who_|general_(?:affirm|dontcare|negate|praise|quirky|explain)"
)
# The first pattern that is found in a data set's label, among those of the row's task, tells ours.
_MEANINGS = tuple(
    (task, re.compile(pattern), label)
    for task, pattern, label in (
        (ACTION, _LIVE, "live_info"),
        (ACTION, _STATES, "status_query"),
        (ACTION, "larm|imer|reminder", "alarm_timer"),
        (ACTION, "calendar|schedule_meeting|AddEvent", "calendar"),
        (ACTION, "list|List|todo", "list"),
        (ACTION, "email|^text$|make_call|social_post|Broadcast|hare.?[Ll]ocation", "message"),
        (ACTION, "^play|Play|music|Media|media|song|Song|audio|olume|playlist|podcast", "media"),
        (
            ACTION,
            "iot|Hass|light|fan|blinds|garage|lock|vacuum|switch|smart_home|change_|reset_|sync_|whisper|find_phone",
            "device_command",
        ),
        (
            ACTION,
            "Find|Book|Buy|Search|Reserve|Rent|Get(?:Ride|Cars|Train)|ScheduleVisit|transport_|takeaway|^book_|uber|car_rental",
            "booking",
        ),
        (ACTION, "^order$|order_checks|restaurant_reservation", "booking"),
        (
            ACTION,
            "account|card|credit|pay_bill|ransfer|Payment|fraud|pin_|pto_|rewards|insurance|customer_service|travel_not",
            "account",
        ),
        (ACTION, "lost_luggage|reservation|schedule_maint", "account"),
        (ACTION, "^api$|multimedia|dailylife|awareness|CALL|SLOT|office", "api_task"),
        ("vision", "", "image_question"),
        ("chat", f"^(?:{_TALK})", "smalltalk"),
        (
            "chat",
            "factual_qa|^knowledge|fun_fact|definition|calories|nutrition|cook_time|spelling|plug_type|vaccines",
            "question_answering",
        ),
        ("chat", "advice|cooking|meal_|recipe|travel_sug|improve_|jump_|oil_change|tire|ingredient|food_last", "advice"),
        ("chat", "creative|joke", "creative_writing"),
        ("chat", "^writing", "writing"),
        ("chat", "summarisation|classification|extraction|closed_qa", "summarising"),
        ("memory", "contact_recall|user_fact|^recall", "recall"),
        ("memory", "memory_write", "teach"),
        ("memory", "long_context", "document_question"),
        ("reasoning", "logic", "logic"),
        ("reasoning", "math|arith|science|fermi", "maths"),
        ("coding", "debugging", "fix_code"),
        ("coding", "instruction", "write_code"),
    )
)


def label_of(row: Row) -> str | None:
    """The label of ``row``, by our own name or by that of its data set; ``None`` where only its task is known."""
    if TASK_OF.get(row.fine) == row.task:
        return row.fine
    meanings = (label for task, pattern, label in _MEANINGS if task == row.task and pattern.search(row.fine))
    return next(meanings, None) if row.fine or row.task == "vision" else None
