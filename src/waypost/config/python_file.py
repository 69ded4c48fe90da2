"""Reads the models out of a Python file, without running it.

Two forms are known: LiteLLM's `model_list` as a list of dicts, wherever it stands, and `MODEL_CONFIGS`, a dict of model names
whose values are dicts or calls such as ``ModelConfig(name=…, num_ctx=…)``. Both become the tree of a config in YAML, with the
lines of the Python file, so that everything that reads a config reads them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from waypost.config.params import is_secret_name
from waypost.config.tree import MAX_NODES, Node, Unreadable, is_plain_number
from waypost.known_settings import KNOWN

# Their names for what has another one here; then those for the model itself, the best first.
_RENAMED = {"stop_tokens": "stop", "base_url": "api_base"}
_MODEL_NAMES = ("litellm_model", "litellm_id", "model", "model_id", "name")
_WHERE_AND_HOW = frozenset({"api_base", "api_key", "timeout"})
# What a name without a provider is: the files that this form is known from called Ollama.
_PROVIDER = "ollama_chat"


def parse_python(text: str, file: str, warning: Callable[[Node, str], None]) -> Node:
    """The tree of the models in ``text``. A value that is not plain (a sum, a call) is left out, and goes to ``warning``.

    ``os.getenv("NAME")`` and its like become references; one with a default becomes the default, unless it is a key's. What is
    set on LiteLLM's ``OllamaConfig`` goes under `litellm_settings`, where it does as little. Raises ``Unreadable`` for what is
    not Python, or holds no models.
    """
    try:
        module = _Dicts().visit(ast.parse(text))
        return _Reader(module, file, warning).tree()
    except SyntaxError as error:
        raise Unreadable(error.lineno or 1, "not Python that can be parsed") from None
    except (ValueError, RecursionError, MemoryError):
        raise Unreadable(1, "not Python that can be parsed") from None


class _Reader:
    """Turns expressions into nodes, following names to what they were set to, and counts what that makes."""

    def __init__(self, module: ast.Module, file: str, warning: Callable[[Node, str], None]) -> None:
        self._named = list(_named(module))
        self._on_class = list(_set_on_class(module))
        self._names = dict(_assigned(module))
        self._file = file
        self._warning = warning
        self._count = 0

    def tree(self) -> Node:
        entries: dict[ast.expr, list[Node]] = {}
        for name, value in self._named:
            what = self._followed(value)
            if what not in entries:
                entries[what] = self._model_list(what) if name == "model_list" else self._model_configs(what)
        found = [node for nodes in entries.values() for node in nodes]
        if not found:
            raise Unreadable(1, "no models: there is neither a `model_list` of dicts nor `MODEL_CONFIGS` in it")
        blocks = {"model_list": Node(found, self._file, found[0].line)}
        on_class = {name: node for name, value in self._on_class if (node := self._value(value)) is not None}
        if on_class:
            blocks["litellm_settings"] = Node(on_class, self._file, next(iter(on_class.values())).line)
        return Node(blocks, self._file, 1)

    def _model_list(self, value: ast.expr) -> list[Node]:
        node = self._value(value)
        return [] if node is None else [entry for entry in node.items if "litellm_params" in entry.children]

    def _model_configs(self, value: ast.expr) -> list[Node]:
        """Each model as an entry; scores, prose and what else is no setting are left out."""
        made = []
        pairs = zip(value.keys, value.values, strict=True) if isinstance(value, ast.Dict) else ()
        for key, config in pairs:
            name = key.value if isinstance(key, ast.Constant) else None
            if not isinstance(name, str):
                self._not_plain(config)
                continue
            fields = self._fields(config)
            model = next(
                (node for one in _MODEL_NAMES if one in fields and (node := self._value(fields[one])) is not None), None
            )
            text = model.value if model is not None and isinstance(model.value, str) else name
            if "/" not in text:
                text = f"{_PROVIDER}/{text}"
            where = Node(name, self._file, config.lineno)
            params = {"model": Node(text, self._file, where.line if model is None else model.line)}
            for field, given in fields.items():
                renamed = _RENAMED.get(field, field)
                if renamed not in KNOWN and renamed not in _WHERE_AND_HOW:
                    continue
                node = self._value(given, secret=is_secret_name(renamed))
                if node is not None and node.value is not None:
                    params[renamed] = node
            entry = {"model_name": where, "litellm_params": Node(params, self._file, where.line)}
            made.append(Node(entry, self._file, where.line))
        return made

    def _fields(self, config: ast.expr) -> dict[str, ast.expr]:
        """The fields of one model: the keys of a dict or the named arguments of a call, with what is merged in (``**``)."""
        self._counted(config)
        made: dict[str, ast.expr] = {}
        for name, value in _pairs(self._followed(config)):
            if name is None:
                made |= self._fields(value)
            else:
                made[name] = value
        return made

    def _counted(self, expression: ast.expr) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            raise Unreadable(expression.lineno, f"it has more than {MAX_NODES} values once its names are followed")

    def _value(self, expression: ast.expr, *, secret: bool = False) -> Node | None:  # noqa: PLR0911 -- one return a kind of value
        """The plain value; ``None`` where it is none, which is told."""
        self._counted(expression)
        expression = self._followed(expression)
        line = expression.lineno
        if isinstance(expression, ast.Dict):
            return Node(self._mapping(expression), self._file, line)
        if isinstance(expression, ast.List | ast.Tuple | ast.Set):
            return Node([node for item in expression.elts if (node := self._value(item)) is not None], self._file, line)
        from_env = _from_environment(expression)
        if from_env is not None:
            variable, default = from_env
            return Node(f"os.environ/{variable}", self._file, line) if default is None or secret else self._value(default)
        if isinstance(expression, ast.BoolOp) and isinstance(expression.op, ast.Or):
            return self._value(expression.values[0 if secret else -1])
        number = _signed(expression)
        if number is not None:
            return Node(number, self._file, line)
        if isinstance(expression, ast.Constant) and isinstance(expression.value, str | bool | None):
            return Node(expression.value, self._file, line)
        self._not_plain(expression)
        return None

    def _mapping(self, expression: ast.Dict) -> dict[str, Node]:
        made: dict[str, Node] = {}
        for key, value in zip(expression.keys, expression.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None
            node = self._value(value, secret=name is not None and is_secret_name(name))
            if key is None and node is not None:
                made |= node.children  # `**other`
            elif name is not None and node is not None:
                made[name] = Node(node.value, self._file, key.lineno if key else node.line)
        return made

    def _followed(self, expression: ast.expr) -> ast.expr:
        """What a name was set to; a few steps, as names may lead in a circle."""
        for _ in range(8):
            if not isinstance(expression, ast.Name) or expression.id not in self._names:
                break
            expression = self._names[expression.id]
        return expression

    def _not_plain(self, expression: ast.expr) -> None:
        self._warning(
            Node(None, self._file, expression.lineno), "this is no plain value, and left out: nothing of the file is run"
        )


def _named(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Everything that is called `model_list` or `MODEL_CONFIGS`: a variable, an argument, an entry, one put into it."""
    wanted = ("model_list", "MODEL_CONFIGS")
    for node in ast.walk(module):
        if isinstance(node, ast.keyword) and node.arg in wanted:
            yield str(node.arg), node.value
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in wanted:
                    yield str(key.value), value
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Subscript) and _last_name(target.value) == "MODEL_CONFIGS":
                    yield "MODEL_CONFIGS", ast.copy_location(ast.Dict([target.slice], [node.value]), node)
    yield from ((name, value) for name, value in _assigned(module) if name in wanted)


def _assigned(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(module):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        value = getattr(node, "value", None)
        yield from ((target.id, value) for target in targets if isinstance(target, ast.Name) and isinstance(value, ast.expr))


def _set_on_class(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """What is set on ``OllamaConfig`` or ``OllamaChatConfig``, as an attribute or by a call."""
    for node in ast.walk(module):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and _last_name(target.value) in ("OllamaConfig", "OllamaChatConfig"):
                    yield target.attr, node.value
        elif isinstance(node, ast.Call) and _last_name(node.func) in ("OllamaConfig", "OllamaChatConfig"):
            yield from ((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)


def _pairs(config: ast.expr) -> Iterator[tuple[str | None, ast.expr]]:
    """The keys of a dict, or the named arguments of a call; ``None`` where a dict is merged in (``**``)."""
    if isinstance(config, ast.Call):
        yield from ((keyword.arg, keyword.value) for keyword in config.keywords)
    elif isinstance(config, ast.Dict):
        for key, value in zip(config.keys, config.values, strict=True):
            if key is None:
                yield None, value
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value


class _Dicts(ast.NodeTransformer):
    """Writes ``dict(a=1, **b)`` as ``{"a": 1, **b}``, which it is."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if node.args or not isinstance(node.func, ast.Name) or node.func.id != "dict":
            return node
        keys: list[ast.expr | None] = [
            ast.copy_location(ast.Constant(word.arg), word) if word.arg else None for word in node.keywords
        ]
        return ast.copy_location(ast.Dict(keys, [word.value for word in node.keywords]), node)


def _from_environment(expression: ast.expr) -> tuple[str, ast.expr | None] | None:
    """The variable that ``os.getenv``, ``os.environ.get`` or ``os.environ[…]`` reads, and the default."""
    if isinstance(expression, ast.Subscript) and _last_name(expression.value) == "environ":
        name, default = expression.slice, None
    elif isinstance(expression, ast.Call) and expression.args and _reads_environment(expression.func):
        name, default = expression.args[0], expression.args[1] if len(expression.args) > 1 else None
    else:
        return None
    return (name.value, default) if isinstance(name, ast.Constant) and isinstance(name.value, str) else None


def _reads_environment(function: ast.expr) -> bool:
    if _last_name(function) == "getenv":
        return True
    return isinstance(function, ast.Attribute) and function.attr == "get" and _last_name(function.value) == "environ"


def _last_name(expression: ast.expr) -> str:
    return str(getattr(expression, "attr", getattr(expression, "id", "")))


def _signed(expression: ast.expr) -> Any:
    """A number with or without a minus."""
    minus = isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.USub)
    constant = expression.operand if isinstance(expression, ast.UnaryOp) and minus else expression
    value = constant.value if isinstance(constant, ast.Constant) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not is_plain_number(value):
        return None
    return -value if minus else value
