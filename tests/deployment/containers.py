"""What compose files and images must have, beyond their schema and what hadolint asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from required import LAST_SECONDS, settings

# In the order in which they are added to compose.yaml.
ADDITIONS = ("tls", "auth", "facade", "telemetry")
# Their images write beside their volumes, or begin as root to give a volume to their user.
OF_OTHERS = {"grafana", "prometheus", "redis"}
# The target of the Dockerfile from which each program is built, and that program.
PROGRAMS = {
    "gateway": "prynai-gateway",
    "worker": "prynai-worker",
    "standalone": "prynai-mcp",
    "ops": "prynai-ops",
    "issuer": "prynai-dev-issuer",
}
# A call may take this long after its process was told to stop; the default of --drain-timeout.
DRAIN_SECONDS = 20
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
FROM_OUTSIDE = re.compile(r"\$\{\w+(:\?[^}]*)?\}")
# Variables whose names say so, and which are paths of files.
NO_SECRETS = {"PRYNAI_TLS_KEY", "PRYNAI_FACADE_SIGNING_KEY"}


def read(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def merge(base: Any, added: Any) -> Any:
    """As Compose does it: mappings by their keys, lists one after the other, anything else is replaced."""
    if isinstance(base, dict) and isinstance(added, dict):
        both = {key: merge(base[key], added[key]) for key in base.keys() & added.keys()}
        return {**base, **added, **both}
    if isinstance(base, list) and isinstance(added, list):
        return base + added
    return added


def compose_faults(root: Path) -> Iterator[str]:
    merged = read(root / "compose.yaml")
    yield from of_fleet(root, "compose.yaml", merged)
    for name in ADDITIONS:
        file = root / f"compose/{name}.yaml"
        added = read(file)
        for service, said in added["services"].items():
            if service not in merged["services"] and "image" not in said:
                yield f"{file}: {service} is a service of no other file, and has no image"
        merged = merge(merged, added)
        yield from of_fleet(root, str(file), merged)


def of_fleet(root: Path, file: str, fleet: dict[str, Any]) -> Iterator[str]:
    stages = targets(root)
    for name, service in fleet["services"].items():
        for fault in of_service(root, name, service, stages):
            yield f"{file}: {name}: {fault}"
    command = " ".join(fleet["services"]["redis"]["command"])
    for needed in ("--appendonly yes", "--maxmemory-policy noeviction"):
        if needed not in command:
            yield f"{file}: redis: it must be started with {needed}"


def of_service(root: Path, name: str, service: dict[str, Any], stages: dict[str, str]) -> Iterator[str]:
    yield from (
        f"{port} can be reached from other machines; write 127.0.0.1:{port}"
        for port in service.get("ports", [])
        if not str(port).startswith("127.0.0.1:")
    )
    if name not in OF_OTHERS:
        if service.get("read_only") is not True:
            yield "its file system must be read-only"
        if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", []):
            yield "it must drop all rights, and be given no new ones"
    for variable, value in (service.get("environment") or {}).items():
        is_secret = SECRET.search(variable) and variable not in NO_SECRETS
        if is_secret and value and not FROM_OUTSIDE.fullmatch(value):
            yield f"{variable} must come from the environment, and have no default"
    if "build" not in service:
        return
    target = service["build"].get("target")
    if target not in stages:
        yield f"the Dockerfile has no target {target}"
        return
    program = PROGRAMS[target]
    known = settings(root)
    for variable in service["environment"]:
        if variable.startswith("PRYNAI_") and target != "issuer":
            if not known.get(variable, set()) & {program, "every program"}:
                yield f"{program} has no setting {variable}"
    if target in ("gateway", "worker"):
        if service.get("healthcheck", {}).get("test") != ["CMD", program, "health"]:
            yield f"its health check must be {program} health"
        if int(str(service.get("stop_grace_period", "0s")).rstrip("s")) < DRAIN_SECONDS + LAST_SECONDS:
            yield f"it is killed before its calls had {DRAIN_SECONDS} s to end; lengthen stop_grace_period"


def targets(root: Path) -> dict[str, str]:
    """The stages of the Dockerfile that have a name, with what stands in each."""
    text = (root / "Dockerfile").read_text(encoding="utf-8")
    stages = re.split(r"^(?=FROM )", text, flags=re.M)[1:]
    named = {}
    for number, stage in enumerate(stages):
        name = re.match(r"FROM \S+ AS (\S+)", stage)
        named[name[1] if name else ("" if number == len(stages) - 1 else f"stage {number}")] = stage
    return named


def image_faults(root: Path) -> Iterator[str]:
    stages = targets(root)
    base = stages.get("base", "")
    users = re.findall(r"^USER (\S+)$", base, re.M)
    if not base.startswith("FROM scratch ") or not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        yield "Dockerfile: base must begin from scratch, and run as a user with a number other than 0"
    for name in [*PROGRAMS, ""]:
        stage = stages.get(name, "")
        if not stage.startswith("FROM base"):
            yield f"Dockerfile: the target {name or 'without a name'} must begin from base"
        if re.search(r"^(USER|RUN)\b", stage, re.M):
            yield f"Dockerfile: the target {name or 'without a name'} must leave user and files as base has them"
        if name and f'ENTRYPOINT ["{PROGRAMS[name]}"]' not in stage:
            yield f"Dockerfile: the target {name} must start {PROGRAMS[name]}, without a shell"
        if "org.opencontainers.image.title" not in stage:
            yield f"Dockerfile: the target {name or 'without a name'} must say its title"
    for stage in stages.values():
        for line in re.findall(r"^(?:ARG|ENV) (.*)$", stage, re.M):
            if SECRET.search(line):
                yield f"Dockerfile: a layer keeps what it is told: {line}"
        for line in re.findall(r"cargo (?:auditable build|install)[^\n]*", stage):
            if "--locked" not in line:
                yield f"Dockerfile: {line} must follow the lock file (--locked)"
