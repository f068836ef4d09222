"""The specs that the Helm chart must render for the given values, each as a whole: a field more, or one less, is a
fault. chart_required.py compares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

ROLES = ("gateway", "worker")
# What a process takes to end after its drain, and some more.
GRACE_SECONDS = 10
ADMIN = {"name": "admin", "containerPort": 9464}


def differs(where: str, wanted: Any, found: Any) -> Iterator[str]:
    """Where the one is not the other, by the path to it."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted({*wanted, *found}):
            if key not in found:
                yield f"{where}.{key} is missing"
            elif key not in wanted:
                yield f"{where}.{key} must not be there"
            else:
                yield from differs(f"{where}.{key}", wanted[key], found[key])
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for at, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from differs(f"{where}.{at}", one, other)
    elif wanted != found or isinstance(wanted, bool) != isinstance(found, bool):
        yield f"{where} must be {wanted}, and is {found}"


def some(**fields: Any) -> dict[str, Any]:
    """Those that have a value."""
    return {name: value for name, value in fields.items() if value}


def labels(role: str = "") -> dict[str, str]:
    own = {"app.kubernetes.io/name": "prynai-mcp", "app.kubernetes.io/instance": "fleet"}
    return {**own, "app.kubernetes.io/component": role} if role else own


class Wanted:
    """What these values ask for."""

    def __init__(self, values: dict[str, Any], version: str) -> None:
        self.values, self.version = values, version
        self.gateway, self.auth, self.redis = values["gateway"], values["auth"], values["redis"]
        self.facade, self.downstream = values["facade"], values["downstream"]
        self.host = urlsplit(values["publicUrl"]).hostname
        self.entra = self.redis["auth"] == "entra"
        self.door = "https" if self.gateway["tlsSecret"] else "http"

    def specs(self) -> dict[tuple[str, str], dict[str, Any]]:
        found = {
            ("Service", "fleet-gateway"): {
                "type": self.gateway["service"]["type"],
                "selector": labels("gateway"),
                "ports": [{"name": self.door, "port": 443 if self.door == "https" else 80, "targetPort": "http"}],
            },
            # Without an address of its own; nobody outside the cluster may reach it.
            ("Service", "fleet-admin"): {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": labels(),
                "ports": [{"name": "admin", "port": 9464, "targetPort": "admin"}],
            },
            ("HorizontalPodAutoscaler", "fleet-gateway"): {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fleet-gateway"},
                "minReplicas": self.gateway["minReplicas"],
                "maxReplicas": self.gateway["maxReplicas"],
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            "target": {"type": "Utilization", "averageUtilization": self.gateway["cpuPercent"]},
                        },
                    }
                ],
            },
        }
        for role in ROLES:
            found["Deployment", f"fleet-{role}"] = self.deployment(role)
            found["PodDisruptionBudget", f"fleet-{role}"] = {
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": labels(role)},
            }
            if self.values["networkPolicy"]["enabled"]:
                found["NetworkPolicy", f"fleet-{role}"] = self.network(role)
        if self.values["ingress"]["enabled"]:
            found["Ingress", "fleet-gateway"] = self.ingress()
        if self.values["scaling"]["enabled"]:
            found["ScaledObject", "fleet-worker"] = self.scaled()
            found["TriggerAuthentication", "fleet-redis"] = self.sign_in()
        return found

    # --- pods ---

    def deployment(self, role: str) -> dict[str, Any]:
        fixed = role == "worker" and not self.values["scaling"]["enabled"]
        return {
            **some(replicas=max(1, self.values["worker"]["minReplicas"]) if fixed else 0),
            "selector": {"matchLabels": labels(role)},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
            "template": {"spec": self.pod(role)},
        }

    def pod(self, role: str) -> dict[str, Any]:
        own = self.values[role]
        return {
            "serviceAccountName": "fleet",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": own["drainSeconds"] + GRACE_SECONDS,
            # It may do nothing that it need not.
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": key,
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": labels(role)},
                }
                for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
            ],
            "containers": [self.container(role)],
            **some(
                imagePullSecrets=[{"name": name} for name in self.values["image"]["pullSecrets"]],
                nodeSelector=own["nodeSelector"],
                tolerations=own["tolerations"],
                volumes=[volume for volume, _ in self.files(role)],
            ),
        }

    def container(self, role: str) -> dict[str, Any]:
        own = self.values[role]
        image = own["image"]
        there = {"port": "http", "scheme": self.door.upper()} if role == "gateway" else {"port": "admin"}
        # The port of clients refuses whoever comes when a gateway is full, and that is no reason to end it.
        alive = {"httpGet": {"path": "/livez", "port": "admin"}}
        return {
            "name": role,
            "image": f"{image['repository']}@{image['digest']}"
            if image["digest"]
            else f"{image['repository']}:{image['tag'] or self.version}",
            "imagePullPolicy": self.values["image"]["pullPolicy"],
            "command": own.get("command") or [f"prynai-{role}"],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "resources": own["resources"],
            "ports": [*([{"name": "http", "containerPort": 8000}] if role == "gateway" else []), ADMIN],
            "startupProbe": {**alive, "periodSeconds": 1, "failureThreshold": 30},
            "livenessProbe": {**alive, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
            "readinessProbe": {
                "httpGet": {"path": "/readyz", **there},
                "periodSeconds": 5,
                "timeoutSeconds": 3,
                "failureThreshold": 2,
            },
            **some(volumeMounts=[mount for _, mount in self.files(role)]),
        }

    def files(self, role: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Each volume, and where it is mounted."""
        volumes = {}
        if self.redis["caSecret"]:
            items = [{"key": "ca.crt", "path": "ca.crt"}]
            volumes["redis-ca"] = ("redis", {"secret": {"secretName": self.redis["caSecret"], "items": items}})
        if role == "gateway" and self.gateway["tlsSecret"]:
            volumes["tls"] = ("tls", {"secret": {"secretName": self.gateway["tlsSecret"]}})
        if role == "gateway" and self.gateway["policyConfigMap"]:
            volumes["policy"] = ("policy", {"configMap": {"name": self.gateway["policyConfigMap"]}})
        if role == "gateway" and self.facade["signingKeys"]:
            items = [{"key": key, "path": key} for key in self.facade["signingKeys"]]
            volumes["signing"] = ("signing", {"secret": {"secretName": self.values["secretName"], "items": items}})
        return [
            ({"name": name, **volume}, {"name": name, "mountPath": f"/etc/prynai/{folder}", "readOnly": True})
            for name, (folder, volume) in volumes.items()
        ]

    def environment(self, role: str) -> dict[str, dict[str, Any]]:
        """Every variable, each as it is written without its name."""
        own = self.values[role]
        kept = {"PRYNAI_ADMIN_TOKEN": "admin-token"}
        plain = {
            "PRYNAI_KEY_PREFIX": self.redis["keyPrefix"],
            "PRYNAI_ADMIN_LISTEN": "0.0.0.0:9464",
            "PRYNAI_DRAIN_TIMEOUT": f"{own['drainSeconds']}s",
            "PRYNAI_LOG_FORMAT": "json",
            **some(PRYNAI_REDIS_CA=self.redis["caSecret"] and "/etc/prynai/redis/ca.crt"),
        }
        if self.entra:
            plain |= {"PRYNAI_REDIS_URL": f"rediss://{self.redis['address']}", "PRYNAI_REDIS_AUTH": "entra"}
        else:
            kept["PRYNAI_REDIS_URL"] = "redis-url"
        if self.values["signRequests"]:
            kept["PRYNAI_ENVELOPE_KEY"] = "envelope-key"
        if self.values["sealTasks"]:
            kept["PRYNAI_TASK_KEY"] = "task-key"
        if self.downstream["clientId"]:
            kept["PRYNAI_DOWNSTREAM_KEY"] = "downstream-key"
        if role == "gateway":
            kept |= self.secrets_of_gateway()
        if self.values["signState"] and role == "worker":
            kept["PRYNAI_STATE_KEY"] = "state-key"
        plain |= self.of_gateway() if role == "gateway" else {"PRYNAI_CONCURRENCY": str(own["concurrency"])}
        secret = self.values["secretName"]
        return {
            **{name: {"value": value} for name, value in plain.items()},
            **{name: {"valueFrom": {"secretKeyRef": {"name": secret, "key": key}}} for name, key in kept.items()},
            **{one["name"]: {key: one[key] for key in one if key != "name"} for one in own["env"]},
        }

    def secrets_of_gateway(self) -> dict[str, str]:
        kept = {}
        if self.facade["enabled"]:
            kept["PRYNAI_FACADE_KEY"] = "facade-key"
            if self.facade["proof"] == "secret":
                kept["PRYNAI_FACADE_CLIENT_SECRET"] = "facade-client-secret"
            if self.facade["enterpriseIssuers"]:
                kept["PRYNAI_FACADE_ENTERPRISE_CLIENT"] = "facade-enterprise-clients"
        if self.downstream["clientId"] and self.downstream["proof"] == "secret":
            kept["PRYNAI_DOWNSTREAM_CLIENT_SECRET"] = "downstream-client-secret"
        return kept

    def registrations(self) -> dict[str, str]:
        """Who signs people in, and who gets tokens for other APIs."""
        facade, downstream = self.facade, self.downstream
        plain = {}
        if facade["enabled"]:
            plain |= {"PRYNAI_OAUTH_FACADE": "true", "PRYNAI_FACADE_CLIENT_ID": facade["clientId"]}
            files = [f"/etc/prynai/signing/{key}" for key in facade["signingKeys"]]
            plain |= some(
                PRYNAI_FACADE_IDENTITY=facade["proof"] == "identity" and "default",
                PRYNAI_FACADE_REDIRECT=",".join(facade["redirects"]),
                PRYNAI_FACADE_ENTERPRISE_ISSUER=",".join(facade["enterpriseIssuers"]),
                PRYNAI_FACADE_SIGNING_KEY=",".join(files),
            )
        if downstream["clientId"]:
            plain |= some(
                PRYNAI_DOWNSTREAM_CLIENT_ID=downstream["clientId"],
                PRYNAI_DOWNSTREAM_IDENTITY=downstream["proof"] == "identity" and "default",
                PRYNAI_DOWNSTREAM_APPS=downstream["apps"] and "true",
            )
        return plain

    def of_gateway(self) -> dict[str, str]:
        gateway, auth = self.gateway, self.auth
        plain = {
            "PRYNAI_LISTEN": "0.0.0.0:8000",
            "PRYNAI_STOP_DELAY": f"{gateway['stopDelaySeconds']}s",
            "PRYNAI_ALLOWED_HOST": ",".join([self.host, *self.values["allowedHosts"]]),
            "PRYNAI_AUTH": auth["kind"],
            **self.registrations(),
            **some(
                PRYNAI_ALLOWED_ORIGIN=",".join(self.values["allowedOrigins"]),
                PRYNAI_MAX_STREAM_AGE=gateway["maxStreamAge"],
                PRYNAI_TLS_CERT=gateway["tlsSecret"] and "/etc/prynai/tls/tls.crt",
                PRYNAI_TLS_KEY=gateway["tlsSecret"] and "/etc/prynai/tls/tls.key",
                PRYNAI_POLICY=gateway["policyConfigMap"] and "/etc/prynai/policy/policy.toml",
            ),
        }
        if auth["kind"] == "none":
            return {**plain, "PRYNAI_INSECURE_NO_AUTH": "true"}
        issuer = {"entra": ("PRYNAI_AUTH_TENANT", "tenant"), "oidc": ("PRYNAI_AUTH_ISSUER", "issuer")}
        name, value = issuer[auth["kind"]]
        return {
            **plain,
            name: auth[value],
            "PRYNAI_PUBLIC_URL": self.values["publicUrl"],
            "PRYNAI_AUTH_AUDIENCE": ",".join(auth["audience"]),
            **some(PRYNAI_AUTH_SCOPE=",".join(auth["scopes"]), PRYNAI_AUTH_ROLE=",".join(auth["roles"])),
        }

    # --- what surrounds them ---

    def network(self, role: str) -> dict[str, Any]:
        policy = self.values["networkPolicy"]

        def to(port: Any, protocol: str = "TCP") -> dict[str, Any]:
            return {"port": port, "protocol": protocol}

        ingress = [{"ports": [to("http")], **({"from": policy["clients"]} if policy["clients"] else {})}]
        issuers = {443} if self.entra else set()
        if role == "gateway" and self.auth["kind"] == "entra":
            issuers.add(443)
        if role == "gateway" and self.auth["kind"] == "oidc":
            issuers.add(urlsplit(self.auth["issuer"]).port or 443)
        if role == "gateway" and self.facade["enabled"]:
            # Documents of clients are there, and the keys of enterprises.
            issuers |= {443} | {urlsplit(issuer).port or 443 for issuer in self.facade["enterpriseIssuers"]}
        redis = int(re.search(r"\d+$", self.redis["address"])[0])
        return {
            "podSelector": {"matchLabels": labels(role)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                *(ingress if role == "gateway" else []),
                *([{"ports": [to("admin")], "from": policy["monitoring"]}] if policy["monitoring"] else []),
            ],
            "egress": [
                {"ports": [to(53, "UDP"), to(53)]},
                {"ports": [to(redis)], **some(to=policy["redis"])},
                *({"ports": [to(port)]} for port in sorted(issuers, key=str)),
                *policy[f"{role}Egress"],
            ],
        }

    def ingress(self) -> dict[str, Any]:
        chosen = self.values["ingress"]
        backend = {"service": {"name": "fleet-gateway", "port": {"name": self.door}}}
        return {
            **some(ingressClassName=chosen["className"]),
            **({"tls": [{"hosts": [self.host], "secretName": chosen["tlsSecret"]}]} if chosen["tlsSecret"] else {}),
            "rules": [
                {"host": self.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
            ],
        }

    # --- how many there are ---

    def scaled(self) -> dict[str, Any]:
        """Without its triggers, which are also compared with those of Azure."""
        worker, scaling = self.values["worker"], self.values["scaling"]
        return {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fleet-worker"},
            "minReplicaCount": worker["minReplicas"],
            "maxReplicaCount": worker["maxReplicas"],
            "pollingInterval": scaling["pollingSeconds"],
            "cooldownPeriod": scaling["cooldownSeconds"],
            # While Redis cannot be read, nothing is scaled in, and one worker runs.
            "fallback": {
                "failureThreshold": 3,
                "replicas": max(1, worker["minReplicas"]),
                "behavior": "currentReplicasIfHigher",
            },
        }

    def sign_in(self) -> dict[str, Any]:
        keys = [{"parameter": "password", "name": self.values["secretName"], "key": "redis-password"}]
        if self.redis["tls"] and self.redis["caSecret"]:
            keys.append({"parameter": "ca", "name": self.redis["caSecret"], "key": "ca.crt"})
        return {"secretTargetRef": keys}
