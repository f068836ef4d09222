"""What the Helm chart must make, whatever Kubernetes would take beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chart_wanted import ROLES, Wanted, differs, labels
from required import LAST_SECONDS, OF_AZURE, settings

IDENTITY = "azure.workload.identity"


class Chart:
    """Looks at what one variant renders to."""

    def __init__(self, root: Path, values: dict[str, Any], documents: list[dict[str, Any]], rules: list[dict]) -> None:
        self.root, self.values, self.documents, self.rules = root, values, documents, rules
        # All crates have one version, which is also that of the images.
        version = re.search(r'^version = "(.+)"$', (root / "Cargo.toml").read_text(encoding="utf-8"), re.M)[1]
        self.wanted = Wanted(values, version)

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {one["metadata"]["name"]: one for one in self.documents if one["kind"] == kind}

    def faults(self) -> Iterator[str]:
        known = [(one["kind"], one["metadata"]["name"]) for one in self.documents]
        yield from (f"{kind} {name} is there twice" for kind, name in set(known) if known.count((kind, name)) > 1)
        wanted = self.wanted.specs()
        expected = {*wanted, ("ServiceAccount", "fleet")}
        yield from (f"there must be a {kind} {name}" for kind, name in sorted(expected - set(known)))
        yield from (f"there must be no {kind} {name}" for kind, name in sorted(set(known) - expected))
        for (kind, name), spec in wanted.items():
            if document := self.of(kind).get(name):
                yield from self.compared(kind, name, spec, document)
        yield from self.identity()

    def compared(self, kind: str, name: str, wanted: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
        found = dict(document["spec"])
        if kind == "ScaledObject":
            yield from self.triggers(found.pop("triggers"))
        if kind == "Deployment":
            role = name.removeprefix("fleet-")
            template = found["template"]
            (container,) = template["spec"]["containers"]
            yield from (f"{role}: {fault}" for fault in self.environment(role, container["env"]))
            yield from (f"{role}: {fault}" for fault in self.pod(role, template))
            without = {key: value for key, value in container.items() if key != "env"}
            found["template"] = {"spec": {**template["spec"], "containers": [without]}}
        yield from differs(f"{kind} {name}: spec", wanted, found)

    def pod(self, role: str, template: dict[str, Any]) -> Iterator[str]:
        wanted = {**self.values[role]["podLabels"], **labels(role)}
        if not wanted.items() <= template["metadata"]["labels"].items():
            yield f"the labels of its pods must have {wanted}"
        if template["metadata"].get("annotations", {}) != self.values[role]["podAnnotations"]:
            yield "the annotations of its pods must be podAnnotations"
        drain, grace = self.values[role]["drainSeconds"], template["spec"]["terminationGracePeriodSeconds"]
        if grace < drain + LAST_SECONDS:
            yield f"a grace of {grace} s does not fit a drain of {drain} s"
        resources = template["spec"]["containers"][0]["resources"]
        if "memory" not in resources.get("limits", {}) or "cpu" not in resources["requests"]:
            yield "memory must have a limit, and CPU a request"

    def environment(self, role: str, env: list[dict[str, Any]]) -> Iterator[str]:
        known = settings(self.root)
        given = {one["name"]: {key: one[key] for key in one if key != "name"} for one in env}
        if len(given) != len(env):
            yield "a setting is there twice"
        for name in given:
            if name not in OF_AZURE and not known.get(name, set()) & {f"prynai-{role}", "every program"}:
                yield f"prynai-{role} has no setting {name}"
        yield from differs("env", self.wanted.environment(role), given)

    def identity(self) -> Iterator[str]:
        account = self.of("ServiceAccount").get("fleet", {})
        client = self.values["identity"]["clientId"]
        if account.get("automountServiceAccountToken") is not False:
            yield "the service account must have no token"
        if account.get("metadata", {}).get("annotations", {}).get(f"{IDENTITY}/client-id", "") != client:
            yield "the service account must name the identity"
        for role in ROLES:
            if deployment := self.of("Deployment").get(f"fleet-{role}"):
                found = deployment["spec"]["template"]["metadata"]["labels"]
                if (found.get(f"{IDENTITY}/use") == "true") != bool(client):
                    yield f"{role}: its pods must be labelled for the workload identity"

    def triggers(self, triggers: list[dict[str, Any]]) -> Iterator[str]:
        names = [trigger.get("name") for trigger in triggers]
        if names != ["waiting", "running"]:
            yield f"the rules must be waiting and running, and are {names}"
            return
        redis, scaling = self.values["redis"], self.values["scaling"]
        concurrency = self.values["worker"]["concurrency"]
        counts = ({"lagCount": max(1, concurrency // 4)}, {"pendingEntriesCount": max(1, concurrency * 3 // 4)})
        for trigger, count in zip(triggers, counts, strict=True):
            wanted = {
                "name": trigger["name"],
                "type": "redis-streams",
                "metadata": {
                    "address": scaling["address"] or redis["address"],
                    "enableTLS": str(redis["tls"]).lower(),
                    "stream": f"{redis['keyPrefix']}{{main.0}}:requests",
                    "consumerGroup": "workers",
                    **{name: str(value) for name, value in count.items()},
                    **({"username": scaling["username"]} if scaling["username"] else {}),
                },
                "authenticationRef": {"name": "fleet-redis"},
            }
            yield from differs(f"the rule {trigger['name']}", wanted, trigger)
            (same,) = (rule for rule in self.rules if set(rule) & set(count))
            if concurrency == 64 and redis["keyPrefix"] == "prynai:":
                for name in (*count, "stream", "consumerGroup"):
                    if trigger["metadata"].get(name) != same[name]:
                        yield f"{name} of the rule {trigger['name']} is not that of aca/modules/worker.bicep"
