"""YAML and JSON from outside: plain values alone, and an error for people for everything else.

Read are mappings, lists, text, numbers, truth values and null. A key given twice, an alias (with which a few lines
can stand for gigabytes), a tag, deep nesting and a huge text are refused. A date stays text.
"""

import json
from collections.abc import Hashable
from typing import Any, NoReturn

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode

from i2pmae.common.errors import UsageError
from i2pmae.common.text import shortened

__all__ = ["dump_yaml", "load_json", "load_yaml"]

LONGEST = 2**20
"""Characters of a YAML text; a stored configuration has a few thousand."""
DEEPEST = 40
"""Levels of a YAML text; a stored configuration has four."""
LONGEST_NUMBER = 100
"""Characters of a number."""
PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")
"""The kinds of values that are read."""
TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Reads plain values, within limits."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event, problem = self.peek_event(), ""
        self.depth += 1
        if isinstance(event, yaml.AliasEvent):
            problem = "aliases (*name) are not read: write the value out"
        elif getattr(event, "tag", None) is not None:
            problem = f"tags ({shortened(event.tag)}) are not read: write a plain value"
        elif self.depth > DEEPEST:
            problem = f"more than {DEEPEST} levels of nesting"
        if problem:
            raise ConstructorError(None, None, problem, event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (list, dict)):
                raise ConstructorError(None, None, "a key must be a single value", key_node.start_mark)
            if key in found:
                raise ConstructorError(None, None, f"the key {shortened(key)} is given twice", key_node.start_mark)
            found[key] = self.construct_object(value_node, deep=deep)
        return found

    def construct_number(self, node: ScalarNode) -> int | float:
        kind = node.tag.removeprefix(TAG)
        read = self.construct_yaml_int if kind == "int" else self.construct_yaml_float
        try:
            if len(node.value) <= LONGEST_NUMBER:
                return read(node)
        except (ValueError, ArithmeticError, LookupError):
            pass
        raise ConstructorError(None, None, f"{shortened(node.value)} is no number", node.start_mark)


_Loader.yaml_constructors = {TAG + kind: yaml.SafeLoader.yaml_constructors[TAG + kind] for kind in PLAIN}
_Loader.yaml_constructors |= {TAG + kind: _Loader.construct_number for kind in ("int", "float")}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag.removeprefix(TAG) in PLAIN]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    """Writes equal values out each time: aliases are not read."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def load_yaml(text: str, source: str) -> Any:
    """The plain values that a YAML text holds, a whole document or a single value; ``None`` for an empty one.

    :class:`UsageError`, which begins with ``source``, says what is wrong and where.
    """
    if len(text) > LONGEST:
        raise UsageError(f"{source} is too long: {len(text)} characters, at most {LONGEST} are read.")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        reason, mark = error.problem or error.context or "it cannot be read", error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
    except yaml.reader.ReaderError as error:
        reason, place = f"the character {shortened(chr(error.character))}", f" at position {error.position}"
    except RecursionError:
        reason, place = "it is nested too deeply", ""
    raise UsageError(f"{source} is not valid YAML: {reason[:200]}{place}.")


def dump_yaml(values: Any) -> str:
    """Plain values as YAML, in their order; :func:`load_yaml` reads them back."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def load_json(text: str, source: str) -> Any:
    """The values that a JSON text holds; :class:`UsageError`, which begins with ``source``, says what is wrong.

    NaN and infinity, which JSON does not have, are refused.
    """

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as error:
        reason = str(error)[:200]
    raise UsageError(f"{source} is damaged or not JSON: {reason}.")
