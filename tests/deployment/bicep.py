"""Reads Bicep, and says what a deployment of it would send to Azure.

No Bicep compiler can be had from a package registry, so this evaluates the templates itself: parameters, variables,
conditions, loops and modules, with the grammar of tree-sitter-bicep. What only Azure knows, such as the host name of a
Redis, stays a `Later`. What is wrong is a `Fault` with its file and line, as the compiler would tell it: a name that is
not declared or not used, a parameter that is missing or against its decorators, a module that is not deployed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tree_sitter
import tree_sitter_bicep

from expressions import (
    Deployment,
    Expressions,
    Family,
    Fault,
    NotDeployed,
    Resource,
    text_of,
)
from functions import Later

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
KINDS = {"string": str, "int": int, "bool": bool, "object": dict, "array": list}


def parse(path: Path, text: str) -> tree_sitter.Node:
    root = PARSER.parse(text.encode()).root_node
    pending = [root]
    while pending:
        node = pending.pop()
        if node.is_missing or node.type == "ERROR":
            raise Fault(
                f"{path}:{node.start_point[0] + 1}: cannot be read: {text_of(node)[:60] or 'something is missing'}"
            )
        pending += node.children
    return root


def parameters(path: Path, variables: dict[str, str]) -> tuple[Path, dict[str, Any]]:
    """The template of a .bicepparam file, and the values it gives. The grammar knows only templates, in which a value
    belongs to a variable."""
    text = path.read_text(encoding="utf-8")
    using = re.search(r"^using '(.+)'$", text, re.M)
    if not using:
        raise Fault(f"{path}: uses no template")
    text = text.replace(using[0], "").replace("\nparam ", "\nvar ")
    scope = Scope(path, text, {}, Deployment(), variables, check_use=False)
    return path.parent / using[1], {name: scope.value(name) for name in scope.declared}


def deploy(path: Path, given: dict[str, Any], variables: dict[str, str]) -> Deployment:
    """What a deployment of the template with these parameters sends."""
    deployment = Deployment()
    Scope(path, path.read_text(encoding="utf-8"), given, deployment, variables).run()
    return deployment


class Scope(Expressions):
    """The names of one file and their values, each found when it is first asked for."""

    def __init__(self, path, text, given, deployment, variables, check_use=True) -> None:
        self.path, self.given, self.deployment, self.variables = path, given, deployment, variables
        self.declared: dict[str, tree_sitter.Node] = {}
        self.decorators: dict[str, dict[str, list]] = {}
        self.values: dict[str, Any] = {}
        self.under_way: set[str] = set()
        self.outputs: list[tree_sitter.Node] = []
        root = parse(path, text)
        self.collect(root)
        if check_use:
            self.check_names(root)

    # --- declarations ---

    def collect(self, root: tree_sitter.Node) -> None:
        decorators: dict[str, list] = {}
        for node in root.named_children:
            if node.type == "decorators":
                decorators = self.read_decorators(node)
                continue
            if node.type == "output_declaration":
                self.outputs.append(node)
            elif node.type in DECLARATIONS:
                name = text_of(node.named_children[0])
                if name in self.declared:
                    raise self.fault(node, f"{name} is declared twice")
                self.declared[name] = node
                self.decorators[name] = decorators
            elif node.type not in ("comment", "target_scope_assignment"):
                raise self.fault(node, f"this check does not know {node.type}")
            if node.type in ("parameter_declaration", "output_declaration") and "description" not in decorators:
                raise self.fault(node, f"{text_of(node.named_children[0])} has no description")
            if node.type != "comment":
                decorators = {}

    def read_decorators(self, node: tree_sitter.Node) -> dict[str, list]:
        found = {}
        for decorator in node.named_children:
            call = decorator.named_children[0]
            arguments = call.child_by_field_name("arguments").named_children
            found[text_of(call.child_by_field_name("function"))] = [self.eval(argument, {}) for argument in arguments]
        return found

    def check_names(self, root: tree_sitter.Node) -> None:
        used: set[str] = set()
        pending = [root]
        while pending:
            node = pending.pop()
            pending += node.children
            parent = node.parent
            declares = parent is not None and parent.type in (*DECLARATIONS, "output_declaration", "object_property")
            if node.type == "identifier" and not (declares and parent.named_children[0] == node):
                used.add(text_of(node))
        for name, node in self.declared.items():
            if name not in used and node.type in ("parameter_declaration", "variable_declaration"):
                raise self.fault(node, f"{name} is not used")
        for name in self.given:
            if name not in self.declared or self.declared[name].type != "parameter_declaration":
                raise Fault(f"{self.path}: has no parameter {name}")

    def run(self) -> None:
        for name in self.declared:
            self.value(name)
        for node in self.outputs:
            self.deployment.outputs[text_of(node.named_children[0])] = self.eval(node.named_children[-1], {})

    # --- values of names ---

    def fault(self, node: tree_sitter.Node, message: str) -> Fault:
        return Fault(f"{self.path}:{node.start_point[0] + 1}: {message}")

    def value(self, name: str, node: tree_sitter.Node | None = None) -> Any:
        if name in self.values:
            return self.values[name]
        if name not in self.declared:
            raise Fault(f"{self.path}:{node.start_point[0] + 1 if node else 0}: {name} is not declared")
        declaration = self.declared[name]
        if name in self.under_way:
            raise self.fault(declaration, f"{name} needs itself")
        self.under_way.add(name)
        kind = DECLARATIONS[declaration.type]
        self.values[name] = getattr(self, kind)(name, declaration)
        return self.values[name]

    def parameter(self, name: str, node: tree_sitter.Node) -> Any:
        kind = text_of(node.named_children[1])
        if name in self.given:
            value = self.given[name]
        elif len(node.named_children) > 2:
            value = self.eval(node.named_children[2], {})
        else:
            raise self.fault(node, f"{name} has no value")
        wanted = list if kind.endswith("[]") else KINDS[kind]
        if not isinstance(value, Later) and type(value) is not wanted:
            raise self.fault(node, f"{name} is no {kind}: {value!r}")
        bounds = self.decorators[name]
        size = len(value) if isinstance(value, (str, list)) else value
        checks = {
            "allowed": lambda allowed: value in allowed,
            "minLength": lambda least: size >= least,
            "maxLength": lambda most: size <= most,
            "minValue": lambda least: value >= least,
            "maxValue": lambda most: value <= most,
        }
        for check, holds in checks.items():
            if check in bounds and not isinstance(value, Later) and not holds(*bounds[check]):
                raise self.fault(node, f"{name} is against @{check}: {value!r}")
        return value

    def variable(self, _name: str, node: tree_sitter.Node) -> Any:
        return self.eval(node.named_children[1], {})

    def module(self, name: str, node: tree_sitter.Node) -> Any:
        file = self.path.parent / self.eval(node.named_children[1], {})
        body = self.body_of(node, {})
        if body is None:
            return NotDeployed(name)
        if not file.exists():
            raise self.fault(node, f"there is no module {file}")
        text = file.read_text(encoding="utf-8")
        inner = Deployment(self.deployment.resources)
        try:
            Scope(file, text, body.get("params", {}), inner, self.variables).run()
        except Fault as fault:
            raise Fault(f"{fault} (module {name} of {self.path}:{node.start_point[0] + 1})") from None
        return inner

    # --- resources ---

    def resource(self, _name: str, node: tree_sitter.Node) -> Any:
        return self.make_resource(node, {}, None)

    def make_resource(self, node: tree_sitter.Node, local: dict[str, Any], within: Resource | None) -> Any:
        reference = self.eval(node.named_children[1], local)
        kind, _, api = reference.partition("@")
        if within:
            kind, api = f"{within.type}/{kind}", api or within.api
        value = node.named_children[2]
        if value.type == "for_statement":
            turns = self.turns(value, local)
            return [self.one_resource(node, body, kind, api, inner, within) for body, inner in turns]
        return self.one_resource(node, value, kind, api, local, within)

    def one_resource(self, node, value, kind, api, local, within) -> Any:
        if value.type == "if_statement":
            condition, value = value.named_children
            if not self.truth(condition, local):
                return NotDeployed(text_of(node.named_children[0]))
        # Children are named in the body, and name each other without their parent.
        children = [
            child.named_children[0]
            for child in value.named_children
            if child.type == "object_property" and child.named_children[0].type == "resource_declaration"
        ]
        inside = dict(local)
        made = Resource(
            kind, api, {}, f"{self.path}:{node.start_point[0] + 1}", any(c.type == "existing" for c in node.children)
        )
        made.body.update(self.object(value, inside))
        self.deployment.resources.append(made)
        parent = made.body.get("parent", within)
        if isinstance(parent, Family):
            parent = parent.resource
        if parent is not None and not isinstance(parent, Resource):
            raise self.fault(node, "the parent is no resource")
        made.body["inside"] = parent
        family = Family(made, {})
        for child in children:
            name = text_of(child.named_children[0])
            family.children[name] = inside[name] = self.make_resource(child, inside, made)
        return family

    def body_of(self, node: tree_sitter.Node, local: dict[str, Any]) -> dict[str, Any] | None:
        value = node.named_children[2]
        if value.type == "if_statement":
            condition, value = value.named_children
            if not self.truth(condition, local):
                return None
        return self.object(value, local)


DECLARATIONS = {
    "parameter_declaration": "parameter",
    "variable_declaration": "variable",
    "resource_declaration": "resource",
    "module_declaration": "module",
}
