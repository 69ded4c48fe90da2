"""Writes the prompts that come with Waypost for ``waypost probe``.

    python benchmarks/probe_prompts.py [FILE]

All are written for Waypost, or made from its templates here with a fixed seed; what can be computed is computed, and the
outputs of programs are what Python gives. A prompt is never changed without another name of the set: results of sets with the
same name are compared.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "src/waypost/artefacts/probe-prompts.jsonl"
NAME = "waypost-1"
SEED = 20261125
NUMBER = "End with a line `Answer:` and the number."
LETTER = "End with a line `Answer:` and the letter."

Made = dict[str, Any]


def prompt(group: str, task: str, level: int, text: str, grader: str, reference: Any, **more: Any) -> Made:
    """One line of the file, still without its id."""
    return {"group": group, "task": task, "level": level, "text": text, "grader": grader, "reference": reference, **more}


def arithmetic(rng: random.Random) -> Iterator[Made]:
    """Sums that become longer, and problems in words."""

    def asked(level: int, text: str, reference: int | str, language: str = "en", end: str = NUMBER) -> Made:
        tokens = {1: 60, 2: 200, 3: 450}[level]
        return prompt(
            "arithmetic", "reasoning", level, f"{text} {end}", "number", str(reference), language=language, answer_tokens=tokens
        )

    a, b = rng.randint(23, 58), rng.randint(14, 39)
    yield asked(1, f"What is {a} + {b}?", a + b)
    yield asked(1, f"What is {a} × 4?", a * 4)
    c, d = rng.randint(6, 9), rng.randint(3, 5)
    yield asked(1, f"Mira has {c} boxes with {d} pencils each, and gives 7 pencils away. How many are left?", c * d - 7)
    yield asked(1, "A train leaves at 14:35 and arrives at 16:10. How many minutes does it take?", 95)
    yield asked(
        1,
        "Ein Buch kostet 12 Euro, ein Heft 3 Euro. Was kosten zwei Bücher und vier Hefte zusammen in Euro?",
        36,
        "de",
        "Beende die Antwort mit einer Zeile `Answer:` und der Zahl.",
    )
    e, f = rng.randint(312, 489), 10 * rng.randint(2, 6) + 7
    yield asked(2, f"What is {e} × {f}?", e * f)
    yield asked(
        2,
        "A shirt costs 80 euros. It is first reduced by 25 %, and then the new price is reduced by 10 %. What does it cost now, in euros?",
        54,
    )
    yield asked(2, "Three pumps empty a pool in 8 hours. How many hours would four such pumps take?", 6)
    yield asked(2, "The mean of five numbers is 18. Four of them are 12, 15, 20 and 21. What is the fifth?", 22)
    yield asked(2, "What is the remainder when 2 to the power of 20 is divided by 7?", 2**20 % 7)
    yield asked(
        2,
        "Un coche recorre 150 km en 2 horas y después 90 km en 1 hora. ¿Cuál es su velocidad media en km/h?",
        80,
        "es",
        "Termina con una línea `Answer:` y el número.",
    )
    yield asked(
        2, "一个长方形的周长是 36 厘米，长是宽的 2 倍。它的面积是多少平方厘米？", 72, "zh", "最后一行写 `Answer:` 和数字。"
    )
    g, h = rng.randint(1234, 4321), rng.randint(567, 987)
    yield asked(3, f"What is {g} × {h}?", g * h)
    yield asked(
        3,
        "How many numbers from 1 to 1000 are divisible by 6 or by 15?",
        sum(n % 6 == 0 or n % 15 == 0 for n in range(1, 1001)),
    )
    yield asked(3, "In how many different orders can the letters of the word LETTER be written?", 180)
    yield asked(3, "What is the remainder when 7 to the power of 222 is divided by 100?", pow(7, 222, 100))
    ways = sum(a + b + c == 12 for a in range(1, 13) for b in range(1, 13) for c in range(1, 13))
    yield asked(3, "In how many ways can 12 be written as a sum of three positive whole numbers, where the order counts?", ways)
    yield asked(
        3,
        "Two dice are thrown. What is the probability that the product of the two numbers is larger than 15, as a fraction?",
        "11/36",
    )


def logic(rng: random.Random) -> Iterator[Made]:
    """Who stands where, and what follows from what."""

    def asked(level: int, text: str, options: list[str], language: str = "en", end: str = LETTER) -> Made:
        listed, letter = shuffled(options, rng)
        return prompt(
            "logic", "reasoning", level, f"{text}\n{listed}\n{end}", "choice", letter, language=language, answer_tokens=200
        )

    yield asked(
        1,
        "All birds lay eggs. A robin is a bird. What follows?",
        ["A robin lays eggs.", "All that lays eggs is a robin.", "A robin lays no eggs.", "Nothing follows."],
    )
    yield asked(
        1, "Ann is taller than Ben. Ben is taller than Cem. Who is the shortest?", ["Cem", "Ben", "Ann", "It cannot be said."]
    )
    yield asked(
        2,
        "The day after yesterday is a Tuesday. Which day is the day after tomorrow?",
        ["Thursday", "Wednesday", "Tuesday", "Friday"],
    )
    yield asked(
        2,
        "Some of the cooks are singers. No singer is tall. What follows?",
        ["Some cooks are not tall.", "No cook is tall.", "Some cooks are tall.", "All cooks are singers."],
    )
    yield asked(
        2,
        "Wenn es regnet, ist die Straße nass. Die Straße ist nicht nass. Was folgt?",
        ["Es regnet nicht.", "Es regnet.", "Die Straße trocknet.", "Es folgt nichts."],
        "de",
        "Beende die Antwort mit einer Zeile `Answer:` und dem Buchstaben.",
    )
    yield asked(
        3,
        "One of three boxes holds a coin. On the red one it says: the coin is in here. On the green one: the coin is not in here. On the blue one: the coin is not in the red one. Just one of the three sentences is true. Where is the coin?",
        ["In the green box", "In the red box", "In the blue box", "It cannot be said."],
    )
    yield asked(
        3,
        "Five people sit in a row. Eva sits at the left end. Finn sits directly to the right of Gül. Hans sits in the middle. Where Ines sits is not said. Who sits directly to the left of Hans?",
        ["Ines", "Finn", "Gül", "It cannot be said."],
    )
    yield asked(
        3,
        "A says: B lies. B says: C lies. C says: A and B both lie. Each of them either always lies or never does. Who tells the truth?",
        ["Only B", "Only A", "Only C", "A and C"],
    )


PROGRAMS = (
    (1, "x = 3\ny = x * 2\nx = x + y\nprint(x)"),
    (1, "words = ['tea', 'ink', 'owl']\nprint(words[1][0] + words[2][-1])"),
    (1, "total = 0\nfor n in range(1, 6):\n    if n % 2:\n        total += n\nprint(total)"),
    (1, "s = 'waypost'\nprint(s[3:])"),
    (2, "def f(n):\n    return 1 if n < 2 else n * f(n - 2)\nprint(f(9))"),
    (2, "a = [1, 2, 3]\nb = a\nb.append(a[0] + a[-1])\nprint(sum(a), len(b))"),
    (2, "d = {}\nfor c in 'mississippi':\n    d[c] = d.get(c, 0) + 1\nprint(sorted(d.values(), reverse=True)[0], len(d))"),
    (2, "m = [[1, 2], [3, 4], [5, 6]]\nprint([sum(r) for r in zip(*m)])"),
    (2, "n, steps = 27, 0\nwhile n > 10:\n    n = n // 2 if n % 2 == 0 else n - 3\n    steps += 1\nprint(n, steps)"),
    (3, "def g(x, seen=[]):\n    seen.append(x)\n    return len(seen)\nprint(g(1), g(2, []), g(3))"),
    (3, "fs = [lambda y: x + y for x in range(3)]\nprint([f(10) for f in fs])"),
    (
        3,
        "def w():\n    t = yield 1\n    while t:\n        t = yield t * 2\n    yield 'end'\ni = w()\nprint(next(i), i.send(5), i.send(0))",
    ),
    (3, "x = [i ^ (i >> 1) for i in range(6)]\nprint(x, x[5] & 6)"),
    (3, "a = list(range(10))\ndel a[2:8:2]\na[1:3] = [a[-1]]\nprint(a)"),
)


def code(rng: random.Random) -> Iterator[Made]:
    """What a program prints."""
    del rng
    for level, source in PROGRAMS:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(source, {})  # our own lines above
        text = f"What does this Python program print?\n\n```python\n{source}\n```\n\nEnd with a line `Answer:` and just what it prints."
        yield prompt("code", "coding", level, text, "exact", [out.getvalue().strip()], answer_tokens=180)


def knowledge(rng: random.Random) -> Iterator[Made]:
    """What nobody disagrees about, with options; the first one is right."""
    ends = {
        "en": LETTER,
        "de": "Beende die Antwort mit einer Zeile `Answer:` und dem Buchstaben.",
        "fr": "Termine par une ligne `Answer:` et la lettre.",
        "es": "Termina con una línea `Answer:` y la letra.",
        "it": "Termina con una riga `Answer:` e la lettera.",
        "tr": "Sonunda `Answer:` ve harfi olan bir satır yaz.",
        "zh": "最后一行写 `Answer:` 和字母。",
        "ja": "最後の行に `Answer:` と記号を書いてください。",
        "ar": "اختم بسطر فيه `Answer:` ثم الحرف.",
    }
    asked: tuple[tuple[int, str, str, list[str]], ...] = (
        (1, "en", "Which city is the capital of France?", ["Paris", "Lyon", "Madrid", "Brussels"]),
        (1, "en", "At which temperature does water boil at sea level?", ["100 °C", "50 °C", "80 °C", "150 °C"]),
        (1, "de", "Welches dieser Tiere ist ein Säugetier?", ["Delfin", "Hai", "Forelle", "Krokodil"]),
        (1, "es", "¿Qué planeta está más cerca del Sol?", ["Mercurio", "Venus", "Marte", "Júpiter"]),
        (2, "en", "Which chemical element has the symbol Na?", ["Sodium", "Nitrogen", "Nickel", "Neon"]),
        (2, "en", "Which of these rivers flows into the Black Sea?", ["The Danube", "The Rhine", "The Rhône", "The Elbe"]),
        (2, "fr", "Qui a écrit « Les Misérables » ?", ["Victor Hugo", "Émile Zola", "Gustave Flaubert", "Molière"]),
        (2, "it", "Quale organo produce l'insulina?", ["Il pancreas", "Il fegato", "La milza", "Il rene"]),
        (2, "zh", "地球的自然卫星有几个？", ["一个", "两个", "三个", "没有"]),
        (2, "tr", "Atatürk hangi yıl Türkiye Cumhuriyeti'ni ilan etti?", ["1923", "1919", "1938", "1950"]),
        (2, "ja", "日本で一番高い山はどれですか。", ["富士山", "北岳", "阿蘇山", "立山"]),
        (3, "ar", "ما العدد الذري للكربون؟", ["6", "8", "12", "14"]),
        (
            3,
            "en",
            "Which treaty of 1648 ended the Thirty Years' War?",
            ["The Peace of Westphalia", "The Peace of Augsburg", "The Treaty of Utrecht", "The Treaty of Tordesillas"],
        ),
        (
            3,
            "en",
            "Which of these problems is known to be solvable in polynomial time?",
            ["2-satisfiability", "Graph 3-colouring", "Subset sum", "Hamiltonian cycle"],
        ),
        (
            3,
            "en",
            "In which part of the cell does the citric acid cycle take place, in animals?",
            ["In the matrix of the mitochondria", "In the nucleus", "At the ribosomes", "In the Golgi apparatus"],
        ),
        (3, "en", "Which of these functions has the derivative 1 / (1 + x²)?", ["arctan x", "ln(1 + x²)", "arcsin x", "tan x"]),
    )
    for level, language, question, options in asked:
        listed, letter = shuffled(options, rng)
        text = f"{question}\n{listed}\n{ends[language]}"
        yield prompt("knowledge", "chat", level, text, "choice", letter, language=language, answer_tokens=60)


def instructions(rng: random.Random) -> Iterator[Made]:
    """Answers whose form can be checked."""
    del rng
    sentence = "The quick otter, number 7, swims past 3 old boats; nobody waves."
    order = {
        "type": "object",
        "additionalProperties": False,
        "required": ["customer", "items"],
        "properties": {
            "customer": {"const": {"name": "Ada", "city": "Turin"}},
            "items": {"const": [{"sku": "K-17", "count": 2}, {"sku": "L-4", "count": 1}]},
        },
    }
    person = {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "age"],
        "properties": {"name": {"const": "Mara"}, "age": {"const": 34}},
    }
    forms: tuple[tuple[int, str, str, Any, str], ...] = (
        (1, "Write the word banana in capital letters, and nothing else.", "form", {"is": ["BANANA"]}, "en"),
        (
            1,
            "Name three colours. Write just three lines, and begin each with a hyphen and a blank.",
            "form",
            {"lines": 3, "each_begins": "- "},
            "en",
        ),
        (1, "Antworte nur mit dem Wort Ja, ohne Punkt.", "form", {"is": ["Ja"]}, "de"),
        (
            1,
            'Mara is 34 years old. Write just a JSON object with the keys "name" and "age", the age as a number.',
            "json",
            person,
            "en",
        ),
        (2, f"Repeat this sentence without any change, and write nothing else: {sentence}", "form", {"is": [sentence]}, "en"),
        (
            2,
            "Write the numbers from 12 down to 1, in one line, with a comma between them, and nothing else.",
            "form",
            {"items": [str(n) for n in range(12, 0, -1)]},
            "en",
        ),
        (
            2,
            "Sort these words by the alphabet and write them in one line, with commas, and nothing else: pear, fig, apple, plum, date, lime",
            "form",
            {"items": sorted(["pear", "fig", "apple", "plum", "date", "lime"])},
            "en",
        ),
        (
            2,
            "Escribe solo tres líneas, cada una con el nombre de un animal y sin nada más; empieza cada línea con «* ».",
            "form",
            {"lines": 3, "each_begins": "* "},
            "es",
        ),
        (2, "Write just a JSON list of the first eight prime numbers.", "json", {"const": [2, 3, 5, 7, 11, 13, 17, 19]}, "en"),
        (3, "Write the word keyboards backwards, letter by letter, and nothing else.", "form", {"is": ["sdraobyek"]}, "en"),
        (
            3,
            "Write one sentence of just ten words that ends with the word harbour and a full stop. Write nothing else.",
            "form",
            {"words": 10, "ends": "harbour.", "lines": 1},
            "en",
        ),
        (
            3,
            "Write one sentence of just eight words without the letter e. Write nothing else.",
            "form",
            {"words": 8, "lacks": ["e"], "lines": 1},
            "en",
        ),
        (
            3,
            'Ada from Turin orders two pieces of K-17 and one of L-4. Write just a JSON object: "customer" with "name" and "city", and "items", a list of objects with "sku" and "count", in this order.',
            "json",
            order,
            "en",
        ),
    )
    for level, text, grader, reference, language in forms:
        yield prompt("instructions", "chat", level, text, grader, reference, language=language, answer_tokens=50)


def tool(name: str, description: str, required: list[str], **properties: Any) -> Made:
    """A function as OpenAI's dialect offers it."""
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TEXT = {"type": "string"}
ROOM = {"type": "string", "enum": ["kitchen", "bedroom", "living_room", "hall"]}
WEATHER = tool("get_weather", "The weather of now in a city.", ["city"], city=TEXT)
LIGHT = tool("set_light", "Switches the light of a room on or off.", ["room", "on"], room=ROOM, on={"type": "boolean"})
HEAT = tool(
    "set_temperature",
    "Sets the thermostat of a room, in degrees Celsius.",
    ["room", "celsius"],
    room=ROOM,
    celsius={"type": "number"},
)
TIMER = tool("set_timer", "Starts a timer.", ["seconds"], seconds={"type": "integer", "description": "How long, in seconds."})
LIST = tool(
    "add_to_list",
    "Puts items on a list.",
    ["list", "items"],
    list={"type": "string", "enum": ["shopping", "to_do"]},
    items={"type": "array", "items": TEXT, "description": "Each item, as the user calls it, in the user's order."},
)
EVENT = tool(
    "add_event",
    "Puts an event into the calendar.",
    ["title", "date", "time"],
    title=TEXT,
    date={"type": "string", "description": "YYYY-MM-DD"},
    time={"type": "string", "description": "HH:MM, 24 hours"},
)
MONEY = tool(
    "convert",
    "Converts an amount of money.",
    ["amount", "from", "to"],
    amount={"type": "number"},
    **{"from": {"type": "string", "description": "ISO 4217 code"}, "to": {"type": "string", "description": "ISO 4217 code"}},
)
ORDER = tool(
    "create_order",
    "Orders goods.",
    ["customer", "items"],
    customer={"type": "object", "properties": {"name": TEXT, "city": TEXT}, "required": ["name", "city"]},
    items={
        "type": "array",
        "items": {"type": "object", "properties": {"sku": TEXT, "count": {"type": "integer"}}, "required": ["sku", "count"]},
    },
)


def tools(rng: random.Random) -> Iterator[Made]:
    """Calls that a request asks for, and requests that ask for none."""
    del rng
    home = [LIGHT, HEAT, TIMER, LIST]
    everything = [*home, WEATHER, EVENT, MONEY]
    asked: tuple[tuple[int, str, str, list[Made], list[tuple[str, Made]]], ...] = (
        (1, "en", "What is the weather like in Oslo?", [WEATHER], [("get_weather", {"city": ["Oslo", "Oslo, Norway"]})]),
        (
            1,
            "en",
            "Turn on the light in the kitchen, please.",
            [LIGHT, WEATHER],
            [("set_light", {"room": "kitchen", "on": True})],
        ),
        (1, "de", "Mach das Licht im Schlafzimmer aus.", home, [("set_light", {"room": "bedroom", "on": False})]),
        (1, "es", "Pon la cocina a 21 grados.", home, [("set_temperature", {"room": "kitchen", "celsius": 21})]),
        (2, "en", "Set a timer for two and a half minutes.", everything, [("set_timer", {"seconds": 150})]),
        (
            2,
            "en",
            "How much are 250 US dollars in euros?",
            everything,
            [("convert", {"amount": 250, "from": "USD", "to": "EUR"})],
        ),
        (
            2,
            "en",
            "Put milk and eggs on the shopping list.",
            everything,
            [("add_to_list", {"list": "shopping", "items": [["milk", "eggs"]]})],
        ),
        (2, "en", "Thanks, that was all for today!", everything, []),
        (2, "en", "In one word: which colour do you get from blue and yellow paint?", [WEATHER, TIMER], []),
        (
            2,
            "en",
            "Compare the weather in Bergen and in Lisbon for me.",
            [WEATHER],
            [
                ("get_weather", {"city": ["Bergen", "Bergen, Norway"]}),
                ("get_weather", {"city": ["Lisbon", "Lisbon, Portugal"]}),
            ],
        ),
        (
            3,
            "en",
            "Set the bedroom to 68 degrees Fahrenheit.",
            everything,
            [("set_temperature", {"room": "bedroom", "celsius": 20})],
        ),
        (
            3,
            "en",
            'Today is Wednesday, 4 March 2026. Put "dentist" into my calendar for this Friday at a quarter past three in the afternoon.',
            everything,
            [("add_event", {"title": "dentist", "date": "2026-03-06", "time": "15:15"})],
        ),
        (
            3,
            "en",
            "Lights out in the hall and the living room, and warm the living room up to 22.5 degrees.",
            everything,
            [
                ("set_light", {"room": "hall", "on": False}),
                ("set_light", {"room": "living_room", "on": False}),
                ("set_temperature", {"room": "living_room", "celsius": 22.5}),
            ],
        ),
        (
            3,
            "en",
            "Ada from Turin wants two of K-17 and one of L-4: order that.",
            [ORDER, LIST, MONEY],
            [
                (
                    "create_order",
                    {
                        "customer": {"name": "Ada", "city": "Turin"},
                        "items": [[{"sku": "K-17", "count": 2}, {"sku": "L-4", "count": 1}]],
                    },
                )
            ],
        ),
    )
    for level, language, text, offered, calls in asked:
        wanted = [{"name": name, "arguments": arguments} for name, arguments in calls]
        yield prompt(
            "tools", "tool_calling", level, text, "tool_calls", wanted, language=language, tools=offered, answer_tokens=50
        )


GOODS = ("lamps", "ropes", "kettles", "maps", "brushes", "clocks", "bells", "scarves", "buckets", "candles")
COLOURS = ("red", "blue", "green", "white", "black", "yellow", "grey", "brown")


def recall(rng: random.Random) -> Iterator[Made]:
    """Facts in a list of a store's boxes, which becomes longer, and two of them that belong together."""
    sizes = ((1, 15), (1, 30), (1, 50), (2, 120), (2, 160), (2, 200), (3, 150), (3, 250), (3, 320))
    for number, (level, size) in enumerate(sizes):
        numbers = rng.sample(range(1000, 10_000), size)
        boxes = [
            (box, rng.randint(2, 98), rng.choice(COLOURS), rng.choice(GOODS), f"{rng.choice('ABCDEFGH')}{rng.randint(1, 99)}")
            for box in numbers
        ]
        listed = "\n".join(f"Box {box}: {count} {colour} {goods}, shelf {shelf}." for box, count, colour, goods, shelf in boxes)
        first, second = rng.sample(boxes[size // 5 : -size // 5], 2)
        if level == 3:
            question, grader = f"How many pieces are in the boxes {first[0]} and {second[0]} together?", "number"
            reference: Any = str(first[1] + second[1])
            end = NUMBER
        elif number % 2:
            question, grader, reference, end = f"How many pieces are in box {first[0]}?", "number", str(first[1]), NUMBER
        else:
            question, grader, reference = f"On which shelf is box {first[0]}?", "exact", [first[4], f"shelf {first[4]}"]
            end = "End with a line `Answer:` and the shelf."
        text = f"These are the boxes in a store:\n\n{listed}\n\n{question} {end}"
        yield prompt("recall", "memory", level, text, grader, reference, answer_tokens=60)


def shuffled(options: list[str], rng: random.Random) -> tuple[str, str]:
    """The options with letters, in an order by lot, and the letter of the one that came first."""
    order = rng.sample(options, len(options))
    listed = "\n".join(f"{letter}) {option}" for letter, option in zip("ABCD", order, strict=True))
    return listed, "ABCD"[order.index(options[0])]


def lines() -> Iterator[str]:
    """The file's lines: the name of the set, then a prompt each."""
    yield json.dumps({"name": NAME, "author": "Waypost", "licence": "Apache-2.0", "seed": SEED})
    for made in (arithmetic, logic, code, knowledge, instructions, tools, recall):
        # Each group has its own lots: a prompt more in one of them changes no other.
        for number, one in enumerate(made(random.Random(f"{SEED} {made.__name__}")), 1):
            yield json.dumps({"id": f"{one['group']}-{number:02}", **one}, ensure_ascii=False)


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=FILE)
    parser.parse_args().file.write_text("".join(f"{line}\n" for line in lines()), encoding="utf-8")


if __name__ == "__main__":
    main()
