"""Holds resources against Azure's own description of them: the models of its management libraries, which Azure makes
from the same specifications as the types of Bicep. Each library is pinned in requirements.txt and describes one API
version, or has a folder for each.

Says of a resource: a property that does not exist, that only Azure may set, that is missing, or that has a value or a
kind of value that Azure does not take. The libraries are read, not run.
"""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from functions import Later

# Library, with the folder of the version if it has several; API version; and the model that is sent for each resource.
LIBRARIES = [
    (
        "apimanagement",
        "2024-05-01",
        {
            "Microsoft.ApiManagement/service": "ApiManagementServiceResource",
            "Microsoft.ApiManagement/service/apis": "ApiCreateOrUpdateParameter",
            "Microsoft.ApiManagement/service/apis/operations": "OperationContract",
            "Microsoft.ApiManagement/service/apis/policies": "PolicyContract",
        },
    ),
    (
        "appcontainers",
        "2026-07-01",
        {
            "Microsoft.App/containerApps": "ContainerApp",
            "Microsoft.App/jobs": "Job",
            "Microsoft.App/managedEnvironments": "ManagedEnvironment",
            "Microsoft.App/managedEnvironments/certificates": "Certificate",
            "Microsoft.App/managedEnvironments/managedCertificates": "ManagedCertificate",
        },
    ),
    (
        "authorization/v2022_04_01",
        "2022-04-01",
        {
            "Microsoft.Authorization/roleAssignments": "RoleAssignmentCreateParameters",
        },
    ),
    (
        "redisenterprise",
        "2025-07-01",
        {
            "Microsoft.Cache/redisEnterprise": "Cluster",
            "Microsoft.Cache/redisEnterprise/databases": "Database",
            "Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments": "AccessPolicyAssignment",
        },
    ),
    (
        "cdn",
        "2025-12-01",
        {
            "Microsoft.Cdn/profiles": "Profile",
            "Microsoft.Cdn/profiles/afdEndpoints": "AFDEndpoint",
            "Microsoft.Cdn/profiles/afdEndpoints/routes": "Route",
            "Microsoft.Cdn/profiles/customDomains": "AFDDomain",
            "Microsoft.Cdn/profiles/originGroups": "AFDOriginGroup",
            "Microsoft.Cdn/profiles/originGroups/origins": "AFDOrigin",
            "Microsoft.Cdn/profiles/securityPolicies": "SecurityPolicy",
        },
    ),
    (
        "containerregistry",
        "2025-11-01",
        {
            "Microsoft.ContainerRegistry/registries": "Registry",
        },
    ),
    (
        "applicationinsights/v2020_02_02",
        "2020-02-02",
        {
            "Microsoft.Insights/components": "ApplicationInsightsComponent",
        },
    ),
    (
        "monitor/v2021_05_01_preview",
        "2021-05-01-preview",
        {
            "Microsoft.Insights/diagnosticSettings": "DiagnosticSettingsResource",
        },
    ),
    (
        "keyvault",
        "2026-02-01",
        {
            "Microsoft.KeyVault/vaults": "VaultCreateOrUpdateParameters",
            "Microsoft.KeyVault/vaults/secrets": "SecretCreateOrUpdateParameters",
        },
    ),
    (
        "msi/v2024_11_30",
        "2024-11-30",
        {
            "Microsoft.ManagedIdentity/userAssignedIdentities": "Identity",
        },
    ),
    (
        "frontdoor",
        "2025-10-01",
        {
            "Microsoft.Network/FrontDoorWebApplicationFirewallPolicies": "WebApplicationFirewallPolicy",
        },
    ),
    (
        "privatedns",
        "2024-06-01",
        {
            "Microsoft.Network/privateDnsZones": "PrivateZone",
            "Microsoft.Network/privateDnsZones/A": "RecordSet",
            "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "VirtualNetworkLink",
        },
    ),
    (
        "network",
        "2025-07-01",
        {
            "Microsoft.Network/privateEndpoints": "PrivateEndpoint",
            "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "PrivateDnsZoneGroup",
            "Microsoft.Network/virtualNetworks": "VirtualNetwork",
            "Microsoft.Network/virtualNetworks/subnets": "Subnet",
        },
    ),
    (
        "loganalytics",
        "2025-07-01",
        {
            "Microsoft.OperationalInsights/workspaces": "Workspace",
        },
    ),
]
MODELS = {f"{kind}@{api}": (name, model) for name, api, kinds in LIBRARIES for kind, model in kinds.items()}
# What Bicep itself says of a resource, and what this check adds.
OF_BICEP = {"name", "parent", "scope", "dependsOn", "inside"}
# The types of Bicep call these required, too; the libraries, which also read answers, do not.
DEMANDED = {
    "Microsoft.ApiManagement/service/apis": ["properties.path"],
    "Microsoft.ApiManagement/service/apis/operations": [
        "properties.displayName",
        "properties.method",
        "properties.urlTemplate",
    ],
    "Microsoft.ApiManagement/service/apis/policies": ["properties.value"],
    "Microsoft.Cache/redisEnterprise": ["properties.publicNetworkAccess"],
    "Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments": [
        "properties.accessPolicyName",
        "properties.user",
    ],
    "Microsoft.Insights/components": ["properties.Application_Type"],
}


@dataclass
class Property:
    """What one property takes."""

    kind: Any
    required: bool = False
    by_azure: bool = False


@dataclass
class Shape:
    """The properties of an object; those of its variants, too, if it has any."""

    properties: dict[str, Property] = field(default_factory=dict)


class Library:
    """The models and enumerations of one library."""

    def __init__(self, name: str) -> None:
        folder = package(name)
        self.folder = folder
        self.classes: dict[str, ast.ClassDef] = {}
        self.enums: dict[str, list[str]] = {}
        for file in (folder / "models").glob("*.py"):
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    self.add(node, "enum" in file.name)

    def add(self, node: ast.ClassDef, is_enum: bool) -> None:
        if not is_enum:
            self.classes[node.name] = node
            return
        values = [line.value for line in node.body if isinstance(line, ast.Assign)]
        self.enums[node.name] = [value.value for value in values if isinstance(value, ast.Constant)]

    def describes(self, api: str) -> bool:
        if self.folder.name == "v" + api.replace("-", "_"):
            return True
        files = [self.folder / "_configuration.py", *(self.folder / "operations").glob("*.py")]
        return any(f'"{api}"' in file.read_text(encoding="utf-8") for file in files if file.exists())

    @cache  # noqa: B019 - there are few libraries, and all of them stay
    def shape(self, name: str) -> Shape:
        node = self.classes[name]
        shape = Shape()
        for base in node.bases:
            parent = ast.unparse(base).split(".")[-1]
            if parent in self.classes:
                shape.properties.update(self.shape(parent).properties)
        assigned = {
            line.targets[0].id: line.value
            for line in node.body
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)
        }
        if "_attribute_map" in assigned:
            self.read_map(node, assigned, shape)
        for line in node.body:
            if (
                isinstance(line, ast.AnnAssign)
                and isinstance(line.value, ast.Call)
                and isinstance(line.target, ast.Name)
            ):
                self.read_field(line, shape)
        return shape

    @cache  # noqa: B019
    def variants(self, name: str) -> list[str]:
        """The models that extend this one."""
        found = []
        for other, node in self.classes.items():
            if any(ast.unparse(base).split(".")[-1] == name for base in node.bases):
                found += [other, *self.variants(other)]
        return found

    # --- the newer form: name: Type = rest_field(name="…", visibility=[…]) ---

    def read_field(self, line: ast.AnnAssign, shape: Shape) -> None:
        keywords = {keyword.arg: keyword.value for keyword in line.value.keywords}
        name = keywords["name"].value if "name" in keywords else line.target.id
        visible = [element.value for element in getattr(keywords.get("visibility"), "elts", [])]
        optional, kind = self.read_annotation(line.annotation)
        shape.properties[name] = Property(kind, not optional and visible != ["read"], visible == ["read"])

    def read_annotation(self, node: ast.expr) -> tuple[bool, Any]:
        """Whether it may be left out, and what it takes."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return False, self.named(node.value)
        if not isinstance(node, ast.Subscript):
            return False, self.named(ast.unparse(node))
        outer = ast.unparse(node.value).split(".")[-1]
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if outer == "Optional":
            return True, self.read_annotation(inner[0])[1]
        if outer in ("list", "List"):
            return False, [self.read_annotation(inner[0])[1]]
        if outer in ("dict", "Dict", "MutableMapping"):
            return False, {"*": self.read_annotation(inner[1])[1]}
        if outer == "Union":
            kinds = [self.read_annotation(element)[1] for element in inner]
            enums = [kind for kind in kinds if isinstance(kind, tuple)]
            return False, enums[0] if enums else "any"
        return False, "any"

    def named(self, text: str) -> Any:
        name = text.split(".")[-1]
        if name in self.enums:
            return tuple(self.enums[name])
        return name if name in self.classes or name in ("str", "int", "bool", "float") else "any"

    # --- the older form: _attribute_map with flattened keys, _validation, and the types of __init__ ---

    def read_map(self, node: ast.ClassDef, assigned: dict[str, ast.expr], shape: Shape) -> None:
        keys, rules = ast.literal_eval(assigned["_attribute_map"]), {}
        if isinstance(assigned.get("_validation"), ast.Dict):
            rules = ast.literal_eval(assigned["_validation"])
        init = next((line for line in node.body if isinstance(line, ast.FunctionDef) and line.name == "__init__"), None)
        hints = {argument.arg: argument.annotation for argument in init.args.kwonlyargs} if init else {}
        for attribute, said in keys.items():
            *path, last = said["key"].replace("\\.", "\0").split(".")
            rule = rules.get(attribute, {})
            kind = (
                self.read_annotation(hints[attribute])[1]
                if hints.get(attribute) is not None
                else self.old_kind(said["type"])
            )
            at = shape
            for step in path:
                inner = at.properties.setdefault(step, Property(Shape()))
                if not isinstance(inner.kind, Shape):
                    inner.kind = Shape()
                at = inner.kind
            at.properties[last.replace("\0", ".")] = Property(
                kind, rule.get("required", False), rule.get("readonly", False)
            )

    def old_kind(self, text: str) -> Any:
        if text.startswith("["):
            return [self.old_kind(text[1:-1])]
        if text.startswith("{"):
            return {"*": self.old_kind(text[1:-1])}
        return self.named(text)


def package(name: str) -> Path:
    found = importlib.util.find_spec("azure.mgmt")
    for folder in found.submodule_search_locations:
        if (Path(folder) / name).is_dir():
            return Path(folder) / name
    raise FileNotFoundError(name)


@cache
def library(name: str) -> Library:
    return Library(name)


def faults(kind: str, api: str, body: dict[str, Any]) -> list[str]:
    """What Azure would refuse of a resource."""
    if f"{kind}@{api}" not in MODELS:
        return [f"{kind} with the API version {api} is not described here"]
    name, model = MODELS[f"{kind}@{api}"]
    described = library(name)
    if not described.describes(api):
        return [f"the library of {kind} does not describe the API version {api}"]
    sent = {key: value for key, value in body.items() if key not in OF_BICEP}
    found = compare(described, model, sent, "")
    for path in DEMANDED.get(kind, ()):
        at: Any = sent
        for step in path.split("."):
            at = at.get(step) if isinstance(at, dict) else None
        if at is None:
            found.append(f"{path} is missing")
    return found


def compare(described: Library, kind: Any, value: Any, at: str) -> list[str]:
    if value is None or kind == "any":
        return []
    if isinstance(kind, str) and kind in described.classes:
        return compare_object(described, kind, value, at)
    if isinstance(kind, Shape):
        return compare_shape(described, kind.properties, value, at)
    if isinstance(kind, list):
        if isinstance(value, Later):
            return []
        if not isinstance(value, list):
            return [f"{at} is no list"]
        return [
            fault
            for index, element in enumerate(value)
            for fault in compare(described, kind[0], element, f"{at}[{index}]")
        ]
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            return [f"{at} is no object"]
        return [
            fault for key, element in value.items() for fault in compare(described, kind["*"], element, f"{at}.{key}")
        ]
    if isinstance(value, Later):
        return []
    if isinstance(kind, tuple):
        return [] if value in kind else [f"{at} is {value!r}, and Azure takes {', '.join(map(str, kind))}"]
    wanted = {"str": str, "int": int, "bool": bool, "float": (int, float)}[kind]
    fits = isinstance(value, wanted) and (kind == "bool" or not isinstance(value, bool))
    return [] if fits else [f"{at} is {value!r}, and Azure takes {kind}"]


def compare_object(described: Library, name: str, value: Any, at: str) -> list[str]:
    """An object of a model that has variants may be any one of them."""
    candidates = [name, *described.variants(name)]
    results = [compare_shape(described, described.shape(candidate).properties, value, at) for candidate in candidates]
    return min(results, key=len)


def demands(kind: Any) -> bool:
    """Whether something must stand in an object that only groups properties."""
    return isinstance(kind, Shape) and any(known.required or demands(known.kind) for known in kind.properties.values())


def compare_shape(described: Library, properties: dict[str, Property], value: Any, at: str) -> list[str]:
    if isinstance(value, Later):
        return []
    if not isinstance(value, dict):
        return [f"{at} is no object"]
    found = []
    for key, element in value.items():
        path = f"{at}.{key}".lstrip(".")
        if key not in properties:
            found.append(f"there is no property {path}")
        elif properties[key].by_azure and element is not None:
            found.append(f"only Azure sets {path}")
        else:
            found += compare(described, properties[key].kind, element, path)
    for key, known in properties.items():
        if value.get(key) is None and (known.required or demands(known.kind)):
            found.append(f"{f'{at}.{key}'.lstrip('.')} is missing")
    return found
