#!/usr/bin/env python3
"""Checks all that deploys a fleet, without Azure, clusters and containers; scripts/deployment says when.

check.py [FOLDER]     the repository in that folder; this one, if not said

- Bicep: each variant of VARIANTS is worked out as a deployment would (bicep.py), held against Azure's description of
  its resources (resource_types.py) and against what we demand (required.py);
- the Helm chart: each of its variants is rendered, and held against Kubernetes and our demands (charts.py);
- the compose files against the schema of Compose, the workflows against GitHub's, and by workflows.py;
- the Dockerfile by hadolint, the shell scripts by shellcheck;
- both kinds of files about containers against what we demand (containers.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bicep
import charts
import containers
import resource_types
import workflows
from expressions import Deployment, Fault
from required import Requirements

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
DOMAIN = "mcp.example.com"
# What each of these stands for is what people choose; see docs/deployment.md.
VARIANTS = {
    "dev": ("dev", {}),
    "dev with telemetry": ("dev", {"telemetry": True}),
    "dev with a long name": ("dev", {"name": "a-long-na-me-of-18"}),
    "dev with keys": ("dev", {"redisAuth": "keys", "redisKey": "secondary"}),
    "dev with a worker of its own": (
        "dev",
        {"workerImage": "example.azurecr.io/tools:1", "workerCommand": "custom-worker"},
    ),
    "dev without signatures": ("dev", {"envelopeKey": "", "stateKey": "", "taskKey": "", "downstreamKey": ""}),
    "dev with a domain": ("dev", {"customDomain": DOMAIN}),
    "dev with a domain that is no identifier": ("dev", {"customDomain": DOMAIN, "urlIsIdentifier": False}),
    "dev with a policy and settings": (
        "dev",
        {
            "policy": '[[allow]]\ntools = ["echo"]\n',
            "gatewayEnv": [{"name": "PRYNAI_CALLER_SESSIONS", "value": "20000"}],
            "workerEnv": [{"name": "PRYNAI_LEASE", "value": "20s"}],
        },
    ),
    "dev without a façade and other APIs": (
        "dev",
        {"facadeClientId": "", "facadeKey": "", "enterpriseIssuers": "", "downstreamKey": ""},
    ),
    "dev with one signing key and other APIs for applications": (
        "dev",
        {"facadeOtherSigningKey": "", "downstreamApps": True},
    ),
    "dev with its own certificate": ("dev", {"customDomain": DOMAIN, "certificateUrl": "https://vault/secrets/c"}),
    "prod": ("prod", {}),
    "prod with keys": ("prod", {"redisAuth": "keys"}),
    "prod with premium ingress": ("prod", {"premiumIngress": True}),
    "prod inside": ("prod", {"internalOnly": True}),
    "prod inside with a domain": (
        "prod",
        {"internalOnly": True, "customDomain": DOMAIN, "certificateUrl": "https://vault/secrets/c"},
    ),
    "prod behind Front Door": ("prod", {"front": "frontDoor", "customDomain": DOMAIN}),
    "prod behind API Management": ("prod", {"front": "apiManagement", "publisherEmail": "a@example.com"}),
    "prod behind API Management with a domain": (
        "prod",
        {
            "front": "apiManagement",
            "publisherEmail": "a@example.com",
            "customDomain": DOMAIN,
            "certificateUrl": "https://vault/secrets/c",
        },
    ),
}
VARIABLES = {
    "IMAGE": "example.azurecr.io/prynai-mcp:1",
    "API_CLIENT_ID": "00000000-0000-0000-0000-000000000000",
    "ENVELOPE_KEY": "the-secret-that-signs-requests-0",
    "STATE_KEY": "the-secret-that-signs-questions-0",
    "TASK_KEY": "the-secret-that-seals-all-tasks-0",
    "FACADE_CLIENT_ID": "00000000-0000-0000-0000-000000000001",
    "FACADE_KEY": "the-secret-that-seals-all-sign-ins",
    "ENTERPRISE_ISSUERS": "https://acme.okta.com",
    "ENTERPRISE_CLIENTS": "agent=the-secret-of-an-agent",
    "FACADE_SIGNING_KEY": "the-key-that-signs-own-tokens",
    "FACADE_OTHER_SIGNING_KEY": "another-key-that-signs-own-tokens",
    "DOWNSTREAM_KEY": "the-secret-that-seals-other-tokens",
}
# DL3008: Debian keeps only the newest version of a package, so a pinned one cannot be built again.
HADOLINT = ["hadolint", "--ignore", "DL3008"]


def work_out(root: Path, file: str, changes: dict[str, Any]) -> Deployment:
    template, given = bicep.parameters(root / f"aca/{file}.bicepparam", VARIABLES)
    return bicep.deploy(template, {**given, **changes}, VARIABLES)


def check_variants(root: Path, variants: dict[str, Any], used: set[Path]) -> Iterator[str]:
    """What is wrong with them; notes which files they use."""
    for variant, (file, changes) in variants.items():
        try:
            deployment = work_out(root, file, changes)
        except Fault as fault:
            yield f"{fault} ({variant})"
            continue
        refused = []
        for resource in deployment.resources:
            used.add(Path(resource.where.split(":")[0]))
            if not resource.existing:
                found = resource_types.faults(resource.type, resource.api, resource.body)
                refused += [f"{resource.where}: {resource.type}: {fault}" for fault in found]
        # What Azure refuses need not meet our demands, too.
        for fault in refused or demands(root, file, deployment, changes):
            yield f"{fault} ({variant})"


def demands(root: Path, file: str, deployment: Deployment, changes: dict[str, Any]) -> Iterator[str]:
    secrets = [value for name, value in VARIABLES.items() if name.endswith(("_KEY", "ENTERPRISE_CLIENTS"))]
    try:
        worker = (changes.get("workerImage", VARIABLES["IMAGE"]), changes.get("workerCommand", "prynai-worker"))
        known = changes.get("urlIsIdentifier", True)
        yield from Requirements(root, file == "prod", deployment, secrets, worker, known).faults()
    except KeyError as missing:
        yield f"aca/{file}.bicepparam: {missing} is missing in an app"


def check_bicep(root: Path) -> Iterator[str]:
    used: set[Path] = set()
    yield from check_variants(root, VARIANTS, used)
    yield from (f"{module}: no variant uses it" for module in (root / "aca/modules").iterdir() if module not in used)


def run(root: Path, command: list[str], files: list[Path]) -> Iterator[str]:
    if not files:
        yield f"{command[0]}: there is nothing to check"
        return
    done = subprocess.run(
        [str(TOOLS / command[0]), *command[1:], *map(str, files)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "NO_COLOR": "1"},
    )
    if done.returncode != 0:
        yield f"{command[0]}: {(done.stdout + done.stderr).strip()}"


def scale_rules(root: Path) -> list[dict[str, str]]:
    """Those of the workers in Azure Container Apps."""
    apps = [one.body for one in work_out(root, "dev", {}).resources if one.type == "Microsoft.App/containerApps"]
    (worker,) = (app for app in apps if app["name"].endswith("-worker"))
    return [rule["custom"]["metadata"] for rule in worker["properties"]["template"]["scale"]["rules"]]


def check_chart(root: Path) -> Iterator[str]:
    yield from charts.check(root, scale_rules(root))


def check_compose(root: Path) -> Iterator[str]:
    files = [root / "compose.yaml", *sorted((root / "compose").glob("*.yaml"))]
    composed = [file for file in files if "services:" in file.read_text(encoding="utf-8")]
    against_schema = list(run(root, ["check-jsonschema", "--builtin-schema", "vendor.compose-spec"], composed))
    yield from against_schema or containers.compose_faults(root)


def check_workflows(root: Path) -> Iterator[str]:
    yield from run(root, ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"], workflows.files(root))
    if own := workflows.actions(root):
        yield from run(root, ["check-jsonschema", "--builtin-schema", "vendor.github-actions"], own)
    yield from run(root, ["check-jsonschema", "--builtin-schema", "vendor.dependabot"], [root / ".github/dependabot.yml"])
    yield from workflows.check(root)


def check_images(root: Path) -> Iterator[str]:
    files = sorted(root.glob("Dockerfile*"))
    yield from run(root, HADOLINT, files)
    if files:
        yield from containers.image_faults(root)


def check_shell(root: Path) -> Iterator[str]:
    scripts = []
    for file in sorted((root / "scripts").iterdir()):
        if file.is_file():
            first = file.read_bytes().split(b"\n", 1)[0]
            if first.startswith(b"#!") and b"bash" in first or b"shell=bash" in first:
                scripts.append(file)
    yield from run(root, ["shellcheck", "--external-sources"], scripts)


CHECKS = {
    "Bicep": check_bicep,
    "Helm": check_chart,
    "compose": check_compose,
    "workflows": check_workflows,
    "Dockerfile": check_images,
    "shell": check_shell,
}


def main() -> None:
    root = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    failed = False
    for name, check in CHECKS.items():
        faults = list(dict.fromkeys(fault.replace(f"{root}/", "") for fault in check(root)))
        print(f"{name}: {f'{len(faults)} faults' if faults else 'ok'}", flush=True)
        for fault in faults:
            print(f"  {fault}")
        failed |= bool(faults)
    if failed:
        sys.exit("scripts/deployment: mend the lines above")


if __name__ == "__main__":
    main()
