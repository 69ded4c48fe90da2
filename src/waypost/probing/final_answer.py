"""What a model says in the end: models think aloud, emphasise, box and explain, and only their last word counts.

What is not clear counts as no answer: a wrong answer that passes would be worse than a right one that does not.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

_THOUGHT = "(?:think|thinking|thought|reasoning|reflection)"
# Where thinking stands in the text itself, because no engine has parted it from the answer.
_THOUGHT_BEGINS, _THOUGHT_ENDS = re.compile(f"<{_THOUGHT}>", re.IGNORECASE), re.compile(f"</{_THOUGHT}>", re.IGNORECASE)

_MARKUP = re.compile(r"```\w*\n?|[*`$#]+|\\[()\[\]]|\\(?:text|mathrm|mathbf|textbf)(?=\{)")
_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}")
_BOX = "\\boxed{"

# What stands before a final answer, in the languages of our own prompts.
_ANSWER = r"\b(?:answer|result|option|choice|antwort|respuesta|r[ée]ponse|risposta|resposta|cevap)|ответ|答案|答え"
_MARKER = re.compile(
    rf"""(?:{_ANSWER})["'\s]*(?:[:：=]|\b(?:is|would be|should be|must be|ist|es|est)\b|は|是)""", re.IGNORECASE
)
_SECOND_THOUGHT = re.compile(r"\b(?:no,|wait|actually|correction|on second thought)", re.IGNORECASE)
_DENIED = re.compile(r"\b(?:not|isn't|cannot|can't|never|unknown|unclear)\b", re.IGNORECASE)

_PARENTHESES = re.compile(r"\([^()]*\)")
_SENTENCE_ENDS = re.compile(r"\.(?:\s|$)|[;!?。]|\b(?:because|since)\b", re.IGNORECASE)
_GROUPED = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)"
_NUMBER = re.compile(rf"-?(?:{_GROUPED}|\d+,\d{{1,2}}(?!\d)|\d*\.?\d+(?:e[-+]?\d{{1,2}})?)(?:\s*/\s*\d+)?", re.IGNORECASE)
_PLAIN_NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:e[-+]?\d{1,2})?(?:/0*[1-9]\d*)?", re.IGNORECASE)
# Longer numbers are nobody's answer, and take long to compare.
_MOST_DIGITS = 40

_LETTER = re.compile(r"[\W_]*([A-J])(?![\w'’])", re.IGNORECASE)
_AFTER_LETTER = re.compile(r"""["'\]\s]*$|["'\]]*[).:,}\]]|\s+[(\[–—-]|\s+(?:because|since)\b""")
_OTHER_LETTER = re.compile(r"(?:\b(?:or|and|und|oder|ou|et|[oy])\b|[/,&+])\W{0,5}[A-J](?![\w'’])")


def spoken(text: str) -> str:
    """The text without the thinking in it; empty where the thinking never ends."""
    return _THOUGHT_BEGINS.split(_THOUGHT_ENDS.split(text)[-1])[0].strip()


def final_number(text: str) -> Fraction | None:
    """The one number that the text ends on; ``None`` where there is none, or where it is not clear which one is meant."""
    said = _SENTENCE_ENDS.split(_final(_digits(text)) or "")[0]
    outside = _PARENTHESES.sub(" ", said)
    told = re.split("[=≈→]", outside if outside.strip() else said)[-1]
    if _DENIED.search(told):
        return None
    found = {number_of(match[0]) for match in _NUMBER.finditer(told)}
    return found.pop() if len(found) == 1 else None


def number_of(text: str) -> Fraction | None:
    """The number that is all of ``text``, as people write them; ``None`` where it is none."""
    bare = "".join(_digits(text).split())
    if len(bare) > _MOST_DIGITS:
        return None
    if "," in bare:
        whole, _, rest = bare.rpartition(",")
        is_decimal = "." in whole or ("," not in whole and len(rest) < 3)
        bare = f"{whole.replace('.', '')}.{rest}" if is_decimal else bare.replace(",", "")
    if not _PLAIN_NUMBER.fullmatch(bare):
        return None
    over, _, under = bare.partition("/")
    return Fraction(over) / int(under or "1")


def final_choice(text: str) -> str | None:
    """The letter, A to J, of the one option that the text ends on; ``None`` where there is none, or more than one."""
    said, bare = _final(text) or "", _bare(spoken(text))
    if _BOX not in text and _MARKER.search(bare) is None:
        told = [line for line in bare.splitlines() if _letter(line) is not None]
        if len(told) != 1:  # several are a list of options, and no answer
            return None
        said = told[0]
    letter = _letter(said)
    return None if letter is None or _OTHER_LETTER.search(_PARENTHESES.sub("", said)) else letter


def _letter(said: str) -> str | None:
    """The option's letter that ``said`` begins with. A small one only where it is all."""
    match = _LETTER.match(said)
    if match is None or not _AFTER_LETTER.match(said, match.end()):
        return None
    return None if match[1].islower() and said[match.end() :].strip(" .)]\"'") else match[1].upper()


def final_text(text: str) -> str:
    """What the text ends on, as `plain` gives it."""
    return plain(_final(text) or "")


def plain(text: str) -> str:
    """``text`` in one form of each character, in small letters, without markup, quotes and marks around it."""
    one_form = unicodedata.normalize("NFKC", _bare(text)).casefold()
    return " ".join(one_form.strip(" \t\r\n.。!\"'“”‘’«»,;:()[]{}").split())


def _final(text: str) -> str | None:
    """What is boxed, else what follows the last word for an answer, else the last line; ``None`` after a second thought."""
    said = spoken(text)
    boxed = _boxed(said)
    if boxed is not None:
        return _bare(boxed)
    bare = _bare(said)
    ends = [match.end() for match in _MARKER.finditer(bare)]
    if not ends:
        return next((line for line in reversed(bare.splitlines()) if line.strip()), None)
    told = bare[ends[-1] :].strip()
    return None if _SECOND_THOUGHT.search(told) else told.partition("\n")[0]


def _boxed(text: str) -> str | None:
    r"""What the last ``\boxed{…}`` holds, with braces inside of it."""
    _, box, rest = text.rpartition(_BOX)
    depth = 1
    for at, character in enumerate(rest if box else ""):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return rest[:at]
    return None


def _bare(text: str) -> str:
    return _MARKUP.sub("", _FRACTION.sub(r"\1/\2", text)).strip()


def _digits(text: str) -> str:
    """The digits of every script as ours, and every minus as a hyphen."""
    told = "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in text)
    return re.sub("[\u2212\u2010\u2011\u2013](?=\\d)", "-", told)
