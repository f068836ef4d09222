"""Evaluates the expressions of Bicep, and has the words for what comes out of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tree_sitter

from functions import FUNCTIONS, Later, Unknown


class Fault(Exception):
    """What is wrong, and where."""


@dataclass
class Resource:
    """One resource as it would be sent."""

    type: str
    api: str
    body: dict[str, Any]
    where: str
    existing: bool

    def property(self, name: str) -> Any:
        """What is known before the deployment; else what Azure will say."""
        if name in ("name", "location") and name in self.body:
            return self.body[name]
        return Later(f"{self.type} {self.body['name']}: {name}")


@dataclass
class Deployment:
    """One file with its parameters."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)


@dataclass
class Family:
    """A resource with those that are written inside of it."""

    resource: Resource
    children: dict[str, Any]


@dataclass
class NotDeployed:
    """A resource or module whose condition does not hold."""

    name: str


def text_of(node: tree_sitter.Node) -> str:
    return node.text.decode()


def called(node: tree_sitter.Node) -> tree_sitter.Node:
    """The `a.b` of `a.b()`; else the node itself."""
    function = node.child_by_field_name("function") if node.type == "call_expression" else None
    return function if function is not None and function.type in POSTFIX else node


class Expressions:
    """Evaluates expressions; what a name means is the business of the scope."""

    path: Path
    variables: dict[str, str]

    def fault(self, node: tree_sitter.Node, message: str) -> Fault:
        raise NotImplementedError

    def value(self, name: str, node: tree_sitter.Node | None = None) -> Any:
        raise NotImplementedError

    def truth(self, node: tree_sitter.Node, local: dict[str, Any]) -> bool:
        value = self.eval(node, local)
        if not isinstance(value, bool):
            raise self.fault(node, f"not known before the deployment: {text_of(node)}")
        return value

    def eval(self, node: tree_sitter.Node, local: dict[str, Any]) -> Any:
        method = getattr(self, EXPRESSIONS.get(node.type, ""), None)
        if method is None:
            raise self.fault(node, f"this check does not know {node.type}")
        return method(node, local)

    def turns(self, node: tree_sitter.Node, local: dict[str, Any]) -> list[tuple[tree_sitter.Node, dict[str, Any]]]:
        head, over, body = node.named_children
        names = [text_of(name) for name in (head.named_children or [head])]
        values = self.eval(over, local)
        if isinstance(values, Later):
            values = [Later(f"one of {values}")]
        return [(body, {**local, **dict(zip(names, (value, at)))}) for at, value in enumerate(values)]

    def literal(self, node: tree_sitter.Node, _local: dict[str, Any]) -> Any:
        return (
            {"true": True, "false": False, "null": None}.get(text_of(node))
            if node.type != "number"
            else int(text_of(node))
        )

    def identifier(self, node: tree_sitter.Node, local: dict[str, Any]) -> Any:
        name = text_of(node)
        return local[name] if name in local else self.value(name, node)

    def string(self, node: tree_sitter.Node, local: dict[str, Any]) -> str:
        parts = []
        for part in node.named_children:
            if part.type == "interpolation":
                parts.append(self.eval(part.named_children[0], local))
            else:
                parts.append(text_of(part).replace("\\'", "'").replace("\\\\", "\\"))
        text = "".join(str(part).lower() if isinstance(part, bool) else str(part) for part in parts)
        return Later(text) if any(isinstance(part, Later) for part in parts) else text

    def array(self, node: tree_sitter.Node, local: dict[str, Any]) -> list[Any]:
        elements = [child for child in node.named_children if child.type != "comment"]
        if elements and elements[0].type == "for_statement":
            return self.eval(elements[0], local)
        return [self.eval(element, local) for element in elements]

    def loop(self, node: tree_sitter.Node, local: dict[str, Any]) -> list[Any]:
        return [self.eval(body, inner) for body, inner in self.turns(node, local)]

    def object(self, node: tree_sitter.Node, local: dict[str, Any]) -> dict[str, Any]:
        if node.type != "object":
            raise self.fault(node, f"this check expects an object, and not {node.type}")
        made: dict[str, Any] = {}
        for child in node.named_children:
            if child.type != "object_property" or child.named_children[0].type == "resource_declaration":
                continue
            key_node, value = child.named_children[0], child.named_children[-1]
            key = text_of(key_node) if key_node.type == "identifier" else self.eval(key_node, local)
            if key in made:
                raise self.fault(child, f"{key} is given twice")
            made[key] = self.eval(value, local)
        return made

    def inner(self, node: tree_sitter.Node, local: dict[str, Any]) -> Any:
        return self.eval(node.named_children[0], local)

    def ternary(self, node: tree_sitter.Node, local: dict[str, Any]) -> Any:
        yes, no = node.child_by_field_name("consequence"), node.child_by_field_name("alternative")
        return self.eval(yes if self.truth(node.child_by_field_name("condition"), local) else no, local)

    def unary(self, node: tree_sitter.Node, local: dict[str, Any]) -> Any:
        value = self.eval(node.child_by_field_name("argument"), local)
        return not value if text_of(node.child_by_field_name("operator")) == "!" else -value

    def binary(self, node: tree_sitter.Node, local: dict[str, Any]) -> Any:
        operator = text_of(node.child_by_field_name("operator"))
        left_node, right_node = node.child_by_field_name("left"), node.child_by_field_name("right")
        if operator in ("&&", "||"):
            left = self.truth(left_node, local)
            return self.truth(right_node, local) if left == (operator == "&&") else left
        left, right = self.eval(left_node, local), self.eval(right_node, local)
        if isinstance(left, Later) or isinstance(right, Later):
            raise self.fault(node, f"not known before the deployment: {text_of(node)}")
        return OPERATORS[operator](left, right)

    def call(self, node: tree_sitter.Node, local: dict[str, Any]) -> Any:
        function = node.child_by_field_name("function")
        if function.type == "member_expression":
            return self.postfix(function, local)
        name = text_of(function)
        arguments = [self.eval(argument, local) for argument in node.child_by_field_name("arguments").named_children]
        if name == "readEnvironmentVariable":
            if not self.variables.get(arguments[0]) and len(arguments) < 2:
                raise self.fault(node, f"the variable {arguments[0]} is missing")
            return self.variables.get(arguments[0]) or arguments[1]
        if name == "loadTextContent":
            file = self.path.parent / arguments[0]
            if not file.exists():
                raise self.fault(node, f"there is no file {file}")
            return file.read_text(encoding="utf-8")
        if name not in FUNCTIONS:
            raise self.fault(node, f"this check does not know the function {name}")
        try:
            return FUNCTIONS[name](*arguments)
        except Unknown as unknown:
            raise self.fault(node, str(unknown)) from None

    def postfix(
        self, node: tree_sitter.Node, local: dict[str, Any], rest: Callable[[Any], Any] = lambda value: value
    ) -> Any:
        """What follows a value: `.name`, `[index]`, `::child`. The grammar gives it to the whole of `a ? b : c` that
        stands before it; to Bicep it belongs to `c`."""
        owner = called(node.child_by_field_name("object"))
        follow = lambda value: rest(self.step(node, value, local))  # noqa: E731
        if owner.type in POSTFIX:
            return self.postfix(owner, local, follow)
        if owner.type == "ternary_expression":
            if self.truth(owner.child_by_field_name("condition"), local):
                return self.eval(owner.child_by_field_name("consequence"), local)
            owner = called(owner.child_by_field_name("alternative"))
            return self.postfix(owner, local, follow) if owner.type in POSTFIX else follow(self.eval(owner, local))
        if owner.type in ("binary_expression", "unary_expression"):
            raise self.fault(node, "write parentheses: the grammar of this check reads it in another way than Bicep")
        return follow(self.eval(owner, local))

    def step(self, node: tree_sitter.Node, owner: Any, local: dict[str, Any]) -> Any:
        if node.type == "subscript_expression":
            return owner[self.eval(node.child_by_field_name("index"), local)]
        if node.type == "resource_expression":
            name = text_of(node.child_by_field_name("resource"))
            if not isinstance(owner, Family) or name not in owner.children:
                raise self.fault(node, f"there is no resource {text_of(node)}")
            return owner.children[name]
        return self.member(node, owner, text_of(node.child_by_field_name("property")))

    def member(self, node: tree_sitter.Node, owner: Any, name: str) -> Any:
        if isinstance(owner, Family) and name == "listKeys":
            return Later(f"keys of {owner.resource.type} {owner.resource.body['name']}")
        if isinstance(owner, Family):
            return owner.resource.property(name)
        if isinstance(owner, Later):
            return Later(f"{owner}.{name}")
        if isinstance(owner, NotDeployed):
            if name in ("id", "name"):
                return Later(f"{owner.name}: {name}")
            raise self.fault(node, f"{owner.name} is not deployed with these parameters")
        if isinstance(owner, Deployment) and name == "outputs":
            return owner.outputs
        if not isinstance(owner, dict) or name not in owner:
            raise self.fault(node, f"there is no {name} in {text_of(node)}")
        return owner[name]


POSTFIX = ("member_expression", "subscript_expression", "resource_expression")
EXPRESSIONS = {
    "number": "literal", "boolean": "literal", "null": "literal", "string": "string", "identifier": "identifier",
    "array": "array", "object": "object", "for_statement": "loop", "parenthesized_expression": "inner",
    "ternary_expression": "ternary", "unary_expression": "unary", "binary_expression": "binary",
    "call_expression": "call", "member_expression": "postfix", "subscript_expression": "postfix",
    "resource_expression": "postfix",
}  # fmt: skip
OPERATORS = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, ">": lambda a, b: a > b, "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, "+": lambda a, b: a + b, "-": lambda a, b: a - b,
    "*": lambda a, b: a * b, "/": lambda a, b: a // b, "%": lambda a, b: a % b,
}  # fmt: skip
