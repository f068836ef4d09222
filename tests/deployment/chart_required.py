"""What the Helm chart must make, whatever Kubernetes would take beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from required import LAST_SECONDS, OF_AZURE, settings

ROLES = ("gateway", "worker")
SECRETS = {
    "PRYNAI_REDIS_URL": "redis-url",
    "PRYNAI_ENVELOPE_KEY": "envelope-key",
    "PRYNAI_STATE_KEY": "state-key",
    "PRYNAI_ADMIN_TOKEN": "admin-token",
}
PROBES = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
# Of the pod, and of its container: it may do nothing that it need not.
POD = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
IDENTITY = "azure.workload.identity"


def fits(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


class Chart:
    """Looks at what one variant renders to."""

    def __init__(self, root: Path, values: dict[str, Any], documents: list[dict[str, Any]], rules: list[dict]) -> None:
        self.root, self.values, self.documents, self.rules = root, values, documents, rules
        # All crates have one version, which is also that of the images.
        self.version = re.search(r'^version = "(.+)"$', (root / "Cargo.toml").read_text(encoding="utf-8"), re.M)[1]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {one["metadata"]["name"]: one for one in self.documents if one["kind"] == kind}

    def faults(self) -> Iterator[str]:
        known = [(one["kind"], one["metadata"]["name"]) for one in self.documents]
        yield from (f"{kind} {name} is there twice" for kind, name in set(known) if known.count((kind, name)) > 1)
        if "Secret" in {kind for kind, _ in known}:
            yield "a secret must not come from the chart"
        deployments = self.of("Deployment")
        if sorted(deployments) != [f"fleet-{role}" for role in ROLES]:
            yield f"the deployments are {sorted(deployments)}"
            return
        for role in ROLES:
            deployment = deployments[f"fleet-{role}"]
            for fault in (
                *self.pod(role, deployment),
                *self.environment(role, deployment),
                *self.reached(role, deployment),
                *self.network(role),
            ):
                yield f"{role}: {fault}"
        yield from self.identity(deployments)
        yield from self.services(deployments)
        yield from self.scaling(deployments)

    # --- pods ---

    def pod(self, role: str, deployment: dict[str, Any]) -> Iterator[str]:
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        for name, wanted in POD.items():
            if pod.get("securityContext", {}).get(name) != wanted:
                yield f"{name} of the pod must be {wanted}"
        for name, wanted in CONTAINER.items():
            if container.get("securityContext", {}).get(name) != wanted:
                yield f"{name} of the container must be {wanted}"
        if pod.get("automountServiceAccountToken") is not False:
            yield "the pod must have no token of Kubernetes"
        if container["command"] != [f"prynai-{role}"]:
            yield f"the command must be prynai-{role}"
        if "memory" not in container["resources"].get("limits", {}) or "cpu" not in container["resources"]["requests"]:
            yield "memory must have a limit, and CPU a request"
        image = self.values[role]["image"]
        if container["image"] not in (
            f"{image['repository']}:{image['tag'] or self.version}",
            f"{image['repository']}@{image['digest']}",
        ):
            yield f"the image is {container['image']}"
        drain = self.values[role]["drainSeconds"]
        if pod["terminationGracePeriodSeconds"] < drain + LAST_SECONDS:
            yield f"a grace of {pod['terminationGracePeriodSeconds']} s does not fit a drain of {drain} s"
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for name, path in PROBES.items():
            probe = container.get(name, {}).get("httpGet", {})
            if probe.get("path") != path or probe.get("port") != ("http" if role == "gateway" else "admin"):
                yield f"{name} must ask for {path}"
            if (probe.get("scheme") == "HTTPS") != (role == "gateway" and bool(self.values["gateway"]["tlsSecret"])):
                yield f"{name} does not speak as the port does"
        if ports.get("admin") != 9464 or (role == "gateway" and ports.get("http") != 8000):
            yield f"the ports are {ports}"
        mounted = {volume["name"] for volume in container.get("volumeMounts", [])}
        if mounted != {volume["name"] for volume in pod.get("volumes", [])}:
            yield "not every volume is mounted"

    def environment(self, role: str, deployment: dict[str, Any]) -> Iterator[str]:
        known = settings(self.root)
        env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        given = {variable["name"]: variable.get("value", "") for variable in env}
        for variable in env:
            name = variable["name"]
            if name not in OF_AZURE and not known.get(name, set()) & {f"prynai-{role}", "every program"}:
                yield f"prynai-{role} has no setting {name}"
            secret = variable.get("valueFrom", {}).get("secretKeyRef")
            if name in SECRETS and "value" not in variable and secret != {"name": self.secret, "key": SECRETS[name]}:
                yield f"{name} must come from the secret"
            if name in SECRETS and "value" in variable and not (self.entra and name == "PRYNAI_REDIS_URL"):
                yield f"{name} must come from the secret"
        if len(given) != len(env):
            yield "a setting is there twice"
        wanted = {"PRYNAI_REDIS_URL", "PRYNAI_ADMIN_TOKEN", "PRYNAI_ADMIN_LISTEN", "PRYNAI_DRAIN_TIMEOUT"}
        wanted |= {"PRYNAI_ENVELOPE_KEY"} if self.values["signRequests"] else set()
        wanted |= {"PRYNAI_STATE_KEY"} if self.values["signState"] and role == "worker" else set()
        wanted |= {"PRYNAI_REDIS_AUTH"} if self.entra else set()
        yield from (f"{name} is missing" for name in sorted(wanted - set(given)))
        if given.get("PRYNAI_DRAIN_TIMEOUT") != f"{self.values[role]['drainSeconds']}s":
            yield "PRYNAI_DRAIN_TIMEOUT is not drainSeconds"
        if self.entra and not given.get("PRYNAI_REDIS_URL", "").startswith("rediss://"):
            yield "a token may go to Redis only over TLS"
        if role == "gateway":
            if (given.get("PRYNAI_AUTH") == "none") != (self.values["auth"]["kind"] == "none"):
                yield "callers must sign in"
            if "mcp.example.com" not in given.get("PRYNAI_ALLOWED_HOST", "").split(","):
                yield "the host of publicUrl must be allowed"
        elif given.get("PRYNAI_CONCURRENCY") != str(self.values["worker"]["concurrency"]):
            yield "PRYNAI_CONCURRENCY is not worker.concurrency"

    @property
    def secret(self) -> str:
        return self.values["secretName"]

    @property
    def entra(self) -> bool:
        return self.values["redis"]["auth"] == "entra"

    def identity(self, deployments: dict[str, Any]) -> Iterator[str]:
        account = self.of("ServiceAccount").get("fleet")
        client = self.values["identity"]["clientId"]
        if not account or account.get("automountServiceAccountToken") is not False:
            yield "there must be a service account without a token"
            return
        if account["metadata"].get("annotations", {}).get(f"{IDENTITY}/client-id", "") != client:
            yield "the service account must name the identity"
        for name, deployment in deployments.items():
            template = deployment["spec"]["template"]
            if template["spec"].get("serviceAccountName") != "fleet":
                yield f"{name} must use the service account"
            if (template["metadata"]["labels"].get(f"{IDENTITY}/use") == "true") != bool(client):
                yield f"{name} must be labelled for the workload identity"

    # --- what surrounds them ---

    def reached(self, role: str, deployment: dict[str, Any]) -> Iterator[str]:
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        if not fits(deployment["spec"]["selector"]["matchLabels"], labels):
            yield "the deployment does not select its pods"
        other = {**labels, "app.kubernetes.io/component": "other"}
        if fits(deployment["spec"]["selector"]["matchLabels"], other):
            yield "the deployment selects pods of others"
        budget = self.of("PodDisruptionBudget").get(f"fleet-{role}", {}).get("spec", {})
        if not fits(budget.get("selector", {}).get("matchLabels", {"": ""}), labels) or not budget["maxUnavailable"]:
            yield "there must be a PodDisruptionBudget, which lets one pod go"

    def network(self, role: str) -> Iterator[str]:
        if not self.values["networkPolicy"]["enabled"]:
            return
        policy = self.of("NetworkPolicy").get(f"fleet-{role}")
        labels = self.of("Deployment")[f"fleet-{role}"]["spec"]["template"]["metadata"]["labels"]
        if not policy or not fits(policy["spec"]["podSelector"].get("matchLabels", {"": ""}), labels):
            yield "there must be a network policy for its pods"
            return
        if sorted(policy["spec"]["policyTypes"]) != ["Egress", "Ingress"]:
            yield "the network policy must say who comes in and what goes out"
        monitoring = self.values["networkPolicy"]["monitoring"]
        for rule in policy["spec"]["ingress"]:
            ports = [port["port"] for port in rule.get("ports", [])]
            public = role == "gateway" and ports == ["http"]
            if not public and not (ports == ["admin"] and monitoring and rule.get("from") == monitoring):
                yield "the network policy lets others in"
            if public and rule.get("from", []) != self.values["networkPolicy"]["clients"]:
                yield "the network policy must let in only the clients"
        added = self.values["networkPolicy"][f"{role}Egress"]
        allowed = {53, int(self.values["redis"]["address"].split(":")[-1])}
        if self.entra or (role == "gateway" and self.values["auth"]["kind"] != "none"):
            allowed.add(443)
        found = set()
        for rule in policy["spec"]["egress"]:
            if rule not in added:
                ports = {port["port"] for port in rule.get("ports", [{"port": 0}])}
                found |= ports
        if found != allowed:
            yield f"the network policy must let out to the ports {sorted(allowed)}, and does to {sorted(found)}"

    def services(self, deployments: dict[str, Any]) -> Iterator[str]:
        services = self.of("Service")
        if sorted(services) != ["fleet-admin", "fleet-gateway"]:
            yield f"the services are {sorted(services)}"
            return
        for name, (port, roles) in {"fleet-gateway": ("http", ["gateway"]), "fleet-admin": ("admin", ROLES)}.items():
            spec = services[name]["spec"]
            found = [
                role
                for role in ROLES
                if fits(spec["selector"], deployments[f"fleet-{role}"]["spec"]["template"]["metadata"]["labels"])
            ]
            if found != list(roles) or [one["targetPort"] for one in spec["ports"]] != [port]:
                yield f"the service {name} leads to {found}"
        for ingress in self.of("Ingress").values():
            for rule in ingress["spec"]["rules"]:
                service = rule["http"]["paths"][0]["backend"]["service"]
                if service["name"] != "fleet-gateway" or service["port"]["name"] != (
                    services["fleet-gateway"]["spec"]["ports"][0]["name"]
                ):
                    yield "the ingress must lead to the gateways"

    # --- how many there are ---

    def scaling(self, deployments: dict[str, Any]) -> Iterator[str]:
        pods = self.of("HorizontalPodAutoscaler").get("fleet-gateway", {}).get("spec", {})
        if pods.get("scaleTargetRef", {}).get("name") != "fleet-gateway" or pods["minReplicas"] < 1:
            yield "the gateways must be scaled, and one of them must be there always"
        if "replicas" in deployments["fleet-gateway"]["spec"]:
            yield "gateway: the number of replicas is the autoscaler's"
        scaled = self.of("ScaledObject").get("fleet-worker", {}).get("spec")
        if not self.values["scaling"]["enabled"]:
            if scaled or deployments["fleet-worker"]["spec"].get("replicas", 0) < 1:
                yield "without KEDA there must be a worker"
            return
        if not scaled or scaled["scaleTargetRef"]["name"] != "fleet-worker":
            yield "the workers must be scaled"
            return
        if "replicas" in deployments["fleet-worker"]["spec"]:
            yield "worker: the number of replicas is the autoscaler's"
        worker = self.values["worker"]
        if (scaled["minReplicaCount"], scaled["maxReplicaCount"]) != (worker["minReplicas"], worker["maxReplicas"]):
            yield "the scaler must have the bounds of the workers"
        if scaled.get("fallback", {}).get("replicas", 0) < 1:
            yield "while KEDA cannot read Redis, a worker must run"
        yield from self.triggers(scaled["triggers"])

    def triggers(self, triggers: list[dict[str, Any]]) -> Iterator[str]:
        names = [trigger.get("name") for trigger in triggers]
        if names != ["waiting", "running"] or {trigger["type"] for trigger in triggers} != {"redis-streams"}:
            yield f"the rules must be waiting and running, and are {names}"
            return
        redis, scaling = self.values["redis"], self.values["scaling"]
        concurrency = self.values["worker"]["concurrency"]
        counts = ({"lagCount": max(1, concurrency // 4)}, {"pendingEntriesCount": max(1, concurrency * 3 // 4)})
        for trigger, count in zip(triggers, counts, strict=True):
            wanted = {
                "address": scaling["address"] or redis["address"],
                "enableTLS": str(redis["tls"]).lower(),
                "stream": f"{redis['keyPrefix']}{{main.0}}:requests",
                "consumerGroup": "workers",
                **{name: str(value) for name, value in count.items()},
                **({"username": scaling["username"]} if scaling["username"] else {}),
            }
            if trigger["metadata"] != wanted:
                yield f"the rule {trigger['name']} must be {wanted}, and is {trigger['metadata']}"
            (same,) = (rule for rule in self.rules if set(rule) & set(count))
            if concurrency == 64 and redis["keyPrefix"] == "prynai:":
                for name in (*count, "stream", "consumerGroup"):
                    if trigger["metadata"].get(name) != same[name]:
                        yield f"{name} of the rule {trigger['name']} is not that of aca/modules/worker.bicep"
            yield from self.signs_in(trigger)

    def signs_in(self, trigger: dict[str, Any]) -> Iterator[str]:
        named = trigger.get("authenticationRef", {}).get("name")
        spec = self.of("TriggerAuthentication").get(named, {}).get("spec", {})
        found = {one["parameter"]: (one["name"], one["key"]) for one in spec.get("secretTargetRef", [])}
        wanted = {"password": (self.secret, "redis-password")}
        if self.values["redis"]["tls"] and self.values["redis"]["caSecret"]:
            wanted["ca"] = (self.values["redis"]["caSecret"], "ca.crt")
        if found != wanted:
            yield f"the rule {trigger['name']} must sign in to Redis with {wanted}, and does with {found}"
