"""Policies as a file: YAML, read closed (no aliases, tags, repeated keys or deep nesting), checked field by field; what
is wrong is told with its line."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from keyback.errors import KeybackError

__all__ = ["LONGEST", "PolicyFile", "PolicyFileRefused", "PolicySpec", "parse", "text_of"]

LONGEST = 262_144
"""Characters that a file may have: some hundred policies are a tenth of it."""

_DEEPEST = 8

_Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
_Questions = Annotated[int, Field(ge=3, le=5)]


class PolicyFileRefused(KeybackError):
    """``problems``: one line each, with the line of the file where that is known."""

    code = "policy_file_refused"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PolicySpec(_Strict):
    """The fields of ``people.Policy`` as people write them. ``groups``: names, ``forest\\name`` or ids."""

    name: _Name
    groups: Literal["all"] | Annotated[list[Annotated[str, StringConstraints(min_length=1)]], Field(max_length=200)] = (
        "all"
    )
    reset: bool = True
    unlock: bool = True
    change: bool = True
    methods: Annotated[list[str], Field(max_length=30)] = []
    gates: Annotated[int, Field(ge=1, le=2)] = 1
    questions_registered: _Questions = 5
    questions_asked: _Questions = 3
    register_at_sign_in: bool = True
    reconfirm_days: Annotated[int, Field(ge=0, le=730)] = 180
    notify_person: bool = True
    notify_administrators: bool = False

    @field_validator("name")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("a name has printable characters only")
        return value

    @field_validator("groups", "methods")
    @classmethod
    def _once(cls, value: Literal["all"] | list[str]) -> Literal["all"] | list[str]:
        if isinstance(value, list) and len(set(value)) != len(value):
            raise ValueError("the same is named twice")
        return value

    @model_validator(mode="after")
    def _enough_questions(self) -> PolicySpec:
        if self.questions_asked > self.questions_registered:
            raise ValueError("more questions are asked than registered")
        return self


class PolicyFile(_Strict):
    """All of an organization's policies, in their order, and whether reset is on at all."""

    version: Literal[1] = 1
    reset: Literal["none", "selected", "all"]
    policies: Annotated[list[PolicySpec], Field(max_length=100)]

    @field_validator("policies")
    @classmethod
    def _names_once(cls, value: list[PolicySpec]) -> list[PolicySpec]:
        names = [policy.name for policy in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two policies are called {twice[0]!r}")
        return value


def parse(text: str) -> PolicyFile:
    """Raises PolicyFileRefused with everything that is wrong, not only the first."""
    if len(text) > LONGEST:
        raise PolicyFileRefused([f"the file is longer than {LONGEST} characters"])
    try:
        loader = _Closed(text)
        root = loader.get_single_node()
        if root is None:
            raise PolicyFileRefused(["the file is empty"])
        content = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise PolicyFileRefused([f"{line}{error.problem or error.context}"]) from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise PolicyFileRefused(["this is not YAML that can be read here"]) from None
    try:
        return PolicyFile.model_validate(content)
    except ValidationError as error:
        raise PolicyFileRefused([_told(root, one["loc"], one["msg"]) for one in error.errors()]) from None


def text_of(file: PolicyFile) -> str:
    """As :func:`parse` reads it."""
    return yaml.safe_dump(file.model_dump(warnings=False), sort_keys=False, allow_unicode=True, width=120)


class _Closed(yaml.SafeLoader):
    """Without anchors (a small file of aliases to aliases fills any memory), and with every key once."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not read here", event.start_mark)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise yaml.composer.ComposerError(None, None, "this is nested too deeply", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(None, None, "a key is a word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _told(root: yaml.Node, place: tuple[int | str, ...], message: str) -> str:
    """``line 7: policies, 1st, gates: …``: the nearest node to the place that pydantic names."""
    node, path = root, ""
    for part in place:
        below = _below(node, part)
        if below is not None:
            node = below
            path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
        elif isinstance(part, str) and isinstance(node, yaml.MappingNode):
            path += f".{part}" if path else part  # a field that is missing
    return f"line {node.start_mark.line + 1}: {path or 'the file'}: {message}"


def _below(node: yaml.Node, part: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        found: yaml.Node = node.value[part]
        return found
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    return None
