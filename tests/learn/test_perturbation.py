"""Other ways to say the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from waypost.learn.perturbation import CHARS_PER_TYPO, Perturbing

COMMAND = "Turn off the kitchen lights at 7.30, please!"


def ways(text: str, lang: str = "en") -> dict[str, str]:
    return {way.name: way.text for way in Perturbing(1).ways(text, lang)}


def test_every_way_changes_the_form_and_keeps_the_words() -> None:
    said = ways(COMMAND)
    typos = said.pop("typos")
    assert said.pop("courtesy").replace(COMMAND, "") in ("Please: ", "Could you help me with this? ", " Thank you!")
    assert said == {
        "upper case": "TURN OFF THE KITCHEN LIGHTS AT 7.30, PLEASE!",
        "lower case": "turn off the kitchen lights at 7.30, please!",
        "title case": "Turn Off The Kitchen Lights At 7.30, Please!",
        "doubled blanks": "Turn  off  the  kitchen  lights  at  7.30,  please!",
        "line breaks": "Turn\noff\nthe\nkitchen\nlights\nat\n7.30,\nplease!",
        "trailing blanks": f"{COMMAND} \n",
        "no punctuation": "Turn off the kitchen lights at 7.30 please",
        "as spoken": "turn off the kitchen lights at 7.30 please",
        "greeting in front": f"Hello, I hope you are well. {COMMAND}",
        "thanks behind": f"{COMMAND} Thanks in advance.",
    }
    assert len([1 for a, b in zip(typos.split(), COMMAND.split(), strict=True) if a != b]) == 1


def test_typos_are_in_letters_inside_of_longer_words_and_one_for_every_40_characters() -> None:
    text = " ".join(["wonderful 1234567 and"] * 40)
    changed = [(a, b) for a, b in zip(ways(text)["typos"].split(), text.split(), strict=True) if a != b]
    # A swap of two equal letters changes nothing, so there may be fewer; "wonderful" has none.
    assert len(changed) == len(text) // CHARS_PER_TYPO
    assert all(before == "wonderful" and after[0] == "w" for after, before in changed)
    assert "typos" not in ways("2 + 2 is 4?")


def test_the_same_seed_gives_the_same_ways_and_another_one_others() -> None:
    text = "remember that the spare keys are under the flower pot behind the garden house"
    assert ways(text) == ways(text)
    others = {way.text for seed in range(8) for way in Perturbing(seed).ways(text, "en") if way.name == "typos"}
    assert len(others) > 1


def test_accents_fall_from_latin_letters_only() -> None:
    assert ways("¿Qué tiempo hará mañana?", "es")["no accents"] == "¿Que tiempo hara manana?"
    assert "no accents" not in ways("чай и йогурт", "ru")
    assert "no accents" not in ways("ガラス", "ja")


def test_padding_and_courtesy_speak_the_language_of_the_row() -> None:
    assert ways("Licht an", "de")["thanks behind"] == "Licht an Danke im Voraus."
    assert ways("Luz acesa", "pt-BR")["greeting in front"].startswith("Olá")
    assert ways("Vypni", "xx")["thanks behind"].endswith("Thanks in advance.")
    assert "{}" in ways("what does {} mean?")["courtesy"]


def test_a_change_that_changes_nothing_is_left_out() -> None:
    assert not {"lower case", "doubled blanks", "no punctuation"} & set(ways("hello"))
    assert ways(" \n") == {}


@given(st.text(max_size=80), st.text(max_size=4))
def test_any_text_can_be_said_in_other_ways(text: str, lang: str) -> None:
    assert text not in ways(text, lang).values()
