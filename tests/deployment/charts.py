"""Renders the Helm chart in each of its variants, and holds what comes out against the schemas of Kubernetes and KEDA
and against what we demand (chart_required.py). There is no cluster here."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from referencing import Registry, Resource

from chart_required import Chart

CHART = "deploy/helm/prynai-mcp"
RELEASE = "fleet"
# The oldest and the newest that we claim; each refuses what it does not know.
KUBERNETES = ("1.29.0", "1.37.0")
PEERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "x"}}}]
BASE = {
    "secretName": "kept",
    "publicUrl": "https://mcp.example.com/mcp",
    "redis": {"address": "redis:6379"},
    "auth": {"kind": "oidc", "issuer": "https://issuer.example.com", "audience": ["api"]},
}
ENTRA = {"kind": "entra", "tenant": "00000000-0000-0000-0000-000000000000", "audience": ["api"]}
# Beside those of the chart's README.
VARIANTS: dict[str, dict[str, Any]] = {
    "as little as possible": {},
    "without callers' tokens": {"auth": {"kind": "none"}},
    "without signatures": {"signRequests": False, "signState": False},
    "with sealed tasks": {"sealTasks": True},
    "without KEDA": {"scaling": {"enabled": False}},
    "without TLS at Redis": {"redis": {"address": "redis:6379", "tls": False}},
    "without network policies": {"networkPolicy": {"enabled": False}},
    "an issuer on another port": {"auth": {**BASE["auth"], "issuer": "https://issuer.example.com:8443/realm"}},
    "an issuer for Redis beside it": {
        "auth": {**BASE["auth"], "issuer": "https://issuer.example.com:8443"},
        "redis": {"address": "redis:6379", "auth": "entra"},
        "identity": {"clientId": "client"},
    },
    "with a façade": {
        "facade": {"enabled": True, "clientId": "facade", "proof": "secret", "redirects": ["claude", "loopback"]},
    },
    "with an enterprise": {
        "auth": {**BASE["auth"], "scopes": ["mcp.call"]},
        "facade": {
            "enabled": True,
            "clientId": "facade",
            "proof": "secret",
            "enterpriseIssuers": ["https://acme.example.com:8444", "https://other.example.com"],
            "signingKeys": ["signing-new.pem", "signing-old.pem"],
        },
    },
    "with a façade and other APIs by an identity": {
        "auth": {**ENTRA, "scopes": ["mcp.call"]},
        "redis": {"address": "redis:6379", "auth": "entra"},
        "identity": {"clientId": "client"},
        "facade": {"enabled": True, "clientId": "facade"},
        "downstream": {"clientId": "api"},
    },
    "with other APIs by a secret": {
        "auth": {**ENTRA, "roles": ["Mcp.Call"]},
        "downstream": {"clientId": "api", "proof": "secret", "apps": True},
    },
    "a worker of one's own": {"worker": {"image": {"repository": "tools", "tag": "1"}, "command": ["custom-worker"]}},
    "one request at a time": {"worker": {"concurrency": 1, "minReplicas": 2}},
    "with everything of its own": {
        "image": {"pullSecrets": ["registry"]},
        "allowedHosts": ["fleet-gateway.prynai.svc"],
        "allowedOrigins": ["https://app.example.com"],
        "auth": {**BASE["auth"], "roles": ["Mcp.Call"]},
        "redis": {"address": "redis.data:6379", "caSecret": "redis-ca", "keyPrefix": "other:"},
        "scaling": {"address": "replica.data:6379", "username": "scaler"},
        "gateway": {
            "image": {"digest": "sha256:" + "0" * 64},
            "maxStreamAge": "200s",
            "tlsSecret": "tls",
            "policyConfigMap": "policy",
            "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
            "env": [{"name": "PRYNAI_SESSION_IDLE", "value": "2h"}],
            "podLabels": {"a": "b"},
            "podAnnotations": {"a": "b"},
            "nodeSelector": {"a": "b"},
            "tolerations": [{"key": "a", "operator": "Exists"}],
        },
        "worker": {"image": {"repository": "example.com/tools", "tag": "1"}, "podLabels": {"a": "b"}},
        "ingress": {"enabled": True, "className": "x", "tlsSecret": "t", "annotations": {"a": "b"}},
        "networkPolicy": {
            "clients": PEERS,
            "monitoring": PEERS,
            "redis": PEERS,
            "gatewayEgress": [{"ports": [{"port": 4317}]}],
            "workerEgress": [{"to": PEERS}],
        },
    },
}


def variants(root: Path) -> dict[str, dict[str, Any]]:
    found = {name: {**BASE, **changes} for name, changes in VARIANTS.items()}
    page = (root / CHART / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^( *)```yaml\n(.*?)^ *```", page, re.M | re.S)
    for number, (_, block) in enumerate(blocks):
        found[f"README, {number + 1}"] = yaml.safe_load(block)
    return found


def helm(root: Path, values: dict[str, Any], *arguments: str) -> str:
    """What Helm says; raises CalledProcessError."""
    command = ["helm", *arguments, str(root / CHART), "--values", "-"]
    return subprocess.run(
        command, input=json.dumps(values), capture_output=True, text=True, timeout=120, check=True
    ).stdout


def render(root: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    text = helm(root, values, "template", RELEASE, "--namespace", "prynai", "--kube-version", "1.33.0")
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


@functools.cache
def schema(kind: str, api: str, version: str) -> jsonschema.Validator | None:
    """Of Kubernetes, in its strict form; none if it does not know the kind."""
    if api.startswith("keda.sh/"):
        known = json.loads((Path(__file__).parent / "keda.json").read_text(encoding="utf-8"))
        return jsonschema.Draft202012Validator(known[kind]) if kind in known else None
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}-local-strict"
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    file = folder / f"{kind.lower()}-{group}.json"
    if not file.is_file():
        return None
    shared = Resource.from_contents(json.loads((folder / "_definitions.json").read_text(encoding="utf-8")))
    own = json.loads(file.read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(own, registry=shared @ Registry())


def refused(document: dict[str, Any]) -> Iterator[str]:
    """What Kubernetes or KEDA would not take."""
    what = f"{document.get('kind')} {document.get('metadata', {}).get('name')}"
    for version in KUBERNETES:
        known = schema(document.get("kind", ""), document.get("apiVersion", ""), version)
        if known is None:
            yield f"{what}: Kubernetes {version} and KEDA do not know it"
            continue
        for error in known.iter_errors(document):
            yield f"{what}: {'.'.join(map(str, error.absolute_path))}: {error.message}"


def check_schema(root: Path) -> Iterator[str]:
    """Each value is described, and is there."""
    pending = [("", json.loads((root / CHART / "values.schema.json").read_text(encoding="utf-8")), values(root))]
    while pending:
        path, described, given = pending.pop()
        if path and not described.get("description", "").endswith("."):
            yield f"{CHART}/values.schema.json: {path} is not described"
        if "properties" not in described:
            continue
        if described.get("additionalProperties") is not False:
            yield f"{CHART}/values.schema.json: {path} takes values that it does not know"
        for name, inner in described["properties"].items():
            if name not in given and name != "global":
                yield f"{CHART}/values.yaml: {path}{name} is missing"
            pending.append((f"{path}{name}.", inner, given.get(name, {})))


def check_links(root: Path) -> Iterator[str]:
    """The page is packed with the chart, where nothing else of the repository is."""
    page = (root / CHART / "README.md").read_text(encoding="utf-8")
    for inline, apart in re.findall(r"\]\(([^)]+)\)|^\[[^\]]+\]: (\S+)$", page, re.M):
        target = inline or apart
        ours = target.removeprefix("https://github.com/prynai/prynai-mcp/blob/main/").split("#")[0]
        if not target.startswith(("https://", "#")) or (ours != target.split("#")[0] and not (root / ours).exists()):
            yield f"{CHART}/README.md: {target} leads nowhere from a packed chart"


def values(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / CHART / "values.yaml").read_text(encoding="utf-8"))


def check(root: Path, rules: list[dict[str, str]]) -> Iterator[str]:
    """What is wrong with the chart; `rules` are the scale rules of Azure Container Apps, which must be the same."""
    yield from check_schema(root)
    yield from check_links(root)
    for variant, chosen in variants(root).items():
        try:
            documents = render(root, chosen)
            helm(root, chosen, "lint", "--strict", "--quiet")
        except subprocess.CalledProcessError as error:
            yield f"{CHART}: {(error.stderr or error.stdout).strip()} ({variant})"
            continue
        faults = [fault for document in documents for fault in refused(document)]
        # What Kubernetes refuses need not meet our demands, too.
        for fault in faults or Chart(root, merged(values(root), chosen), documents, rules).faults():
            yield f"{CHART}: {fault} ({variant})"


def merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {key: merged(below.get(key), above.get(key, below.get(key))) for key in {**below, **above}}
    return above
