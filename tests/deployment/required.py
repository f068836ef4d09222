"""What a deployment must have, whatever Azure would take beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from expressions import Deployment, Resource
from functions import Later

REDIS = "Microsoft.Cache/redisEnterprise"
VAULT = "Microsoft.KeyVault/vaults"
FIREWALL = "Microsoft.Network/FrontDoorWebApplicationFirewallPolicies"
APP = "Microsoft.App/containerApps"
JOB = "Microsoft.App/jobs"
ENVIRONMENT = "Microsoft.App/managedEnvironments"
# Every resource of the type has this value; with "prod", in the variants of production.
REQUIRED = [
    ("", REDIS, "properties.minimumTlsVersion", "1.2"),
    ("", f"{REDIS}/databases", "properties.clientProtocol", "Encrypted"),
    ("", f"{REDIS}/databases", "properties.port", 10000),
    ("", f"{REDIS}/databases", "properties.clusteringPolicy", "NoCluster"),
    ("", f"{REDIS}/databases", "properties.evictionPolicy", "NoEviction"),
    ("", f"{REDIS}/databases", "properties.persistence.aofEnabled", True),
    ("", f"{REDIS}/databases", "properties.accessKeysAuthentication", "Enabled"),
    ("", VAULT, "properties.enableRbacAuthorization", True),
    ("", "Microsoft.ContainerRegistry/registries", "properties.adminUserEnabled", False),
    ("", "Microsoft.ContainerRegistry/registries", "properties.anonymousPullEnabled", False),
    ("", FIREWALL, "properties.policySettings.mode", "Prevention"),
    ("", FIREWALL, "properties.policySettings.enabledState", "Enabled"),
    ("", "Microsoft.Cdn/profiles/afdEndpoints/routes", "properties.supportedProtocols", ["Https"]),
    ("prod", REDIS, "properties.publicNetworkAccess", "Disabled"),
    ("prod", REDIS, "properties.highAvailability", "Enabled"),
    ("prod", VAULT, "properties.publicNetworkAccess", "Disabled"),
    ("prod", VAULT, "properties.enablePurgeProtection", True),
    ("prod", ENVIRONMENT, "properties.zoneRedundant", True),
    ("", JOB, "properties.configuration.triggerType", "Manual"),
    ("", JOB, "properties.configuration.replicaRetryLimit", 0),
]  # fmt: skip
# Built-in roles of Azure, the type on which the identity of the apps has each, and nothing else.
ROLES = {
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": ("AcrPull", "Microsoft.ContainerRegistry/registries"),
    "4633458b-17de-408a-b874-0445c86b69e6": ("Key Vault Secrets User", VAULT),
}
# How Azure lets these be named, of those whose names are made of parts.
NAMES = {
    REDIS: r"(?=.{1,60}$)[A-Za-z0-9]+(-[A-Za-z0-9]+)*",
    f"{REDIS}/databases/accessPolicyAssignments": r"[A-Za-z0-9]{1,60}",
    VAULT: r"(?=.{3,24}$)[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*",
    APP: r"(?=.{2,32}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
    JOB: r"(?=.{2,32}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
    FIREWALL: r"[A-Za-z][A-Za-z0-9]{0,127}",
    "Microsoft.ContainerRegistry/registries": r"[A-Za-z0-9]{5,50}",
    "Microsoft.ApiManagement/service": r"(?=.{1,50}$)[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?",
}
# Private addresses: what Azure calls the part of the service, and its DNS zone.
ENDPOINTS = {"redisEnterprise": "privatelink.redis.azure.net", "vault": "privatelink.vaultcore.azure.net"}
# Settings that hold a secret.
SECRETS = (
    *("PRYNAI_ENVELOPE_KEY", "PRYNAI_STATE_KEY", "PRYNAI_TASK_KEY", "PRYNAI_DOWNSTREAM_KEY"),
    *("PRYNAI_FACADE_KEY", "PRYNAI_FACADE_ENTERPRISE_CLIENT"),
)
# Of these, those that all have if one has, and those that all have but for the job.
SHARED = {"envelope-key": "PRYNAI_ENVELOPE_KEY", "task-key": "PRYNAI_TASK_KEY"}
SHARED_BY_APPS = {"downstream-key": "PRYNAI_DOWNSTREAM_KEY"}
# Settings that are paths of files, separated by commas.
FILES = ("PRYNAI_POLICY", "PRYNAI_FACADE_SIGNING_KEY")
# Read by what signs in to Entra ID, not by a setting of ours.
OF_AZURE = {"AZURE_CLIENT_ID"}
# What a process takes after --drain-timeout before it ends in any case, and the longest grace that people report.
LAST_SECONDS, LONGEST_GRACE = 5, 600


def at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


class Requirements:
    """Looks at one variant."""

    def __init__(
        self,
        root: Path,
        production: bool,
        deployment: Deployment,
        secrets: list[str],
        worker: tuple[str, str],
        url_is_identifier: bool = True,
    ) -> None:
        self.root, self.production = root, production
        self.deployment, self.secrets = deployment, secrets
        # The image of the workers, and the program in it.
        self.worker_is = worker
        # Whether the registration in Entra ID has the URL, if that has a name of its own.
        self.url_is_identifier = url_is_identifier

    def of(self, kind: str) -> list[Resource]:
        return [resource for resource in self.deployment.resources if resource.type == kind and not resource.existing]

    def faults(self) -> Iterator[str]:
        for when, kind, path, wanted in REQUIRED:
            for resource in self.of(kind):
                if (self.production or when != "prod") and at(resource.body, path) != wanted:
                    yield f"{resource.where}: {path} must be {wanted!r} and is {at(resource.body, path)!r}"
        yield from self.names()
        yield from self.roles()
        yield from self.private_addresses()
        yield from self.leaks()
        apps = {resource.body["name"].split("-")[-1]: resource for resource in self.of(APP)}
        if sorted(apps) != ["gateway", "worker"]:
            yield f"aca/main.bicep: the apps are {', '.join(apps)}, not gateway and worker"
            return
        for name, app in apps.items():
            yield from (f"{app.where}: {fault}" for fault in self.app(name, app))
        jobs = self.of(JOB)
        if [job.body["name"].split("-")[-1] for job in jobs] != ["ops"]:
            yield "aca/main.bicep: there must be one job, for prynai-ops"
        for job in jobs:
            yield from (f"{job.where}: {fault}" for fault in self.runs("prynai-ops", job))
        kept = {secret.body["name"] for secret in self.of(f"{VAULT}/secrets")}
        for one in (*apps.values(), *jobs):
            env = {variable["name"] for variable in at(one.body, "properties.template")["containers"][0]["env"]}
            shared = {**SHARED, **(SHARED_BY_APPS if one in apps.values() else {})}
            for key in sorted(kept & shared.keys()):
                if shared[key] not in env:
                    yield f"{one.where}: {shared[key]} is missing"
        yield from (f"{apps['gateway'].where}: {fault}" for fault in self.gateway(apps["gateway"]))
        yield from (f"{apps['worker'].where}: {fault}" for fault in self.worker(apps["worker"]))

    def names(self) -> Iterator[str]:
        seen = set()
        for resource in self.deployment.resources:
            name, inside = resource.body["name"], resource.body["inside"]
            if not re.fullmatch(NAMES.get(resource.type, ".+"), name):
                yield f"{resource.where}: Azure takes no {resource.type} of the name {name}"
            if not resource.existing:
                known = (resource.type, name, inside.body["name"] if inside else None)
                if known in seen:
                    yield f"{resource.where}: there are two {resource.type} of the name {name}"
                seen.add(known)

    def roles(self) -> Iterator[str]:
        found = {}
        for resource in self.of("Microsoft.Authorization/roleAssignments"):
            role = at(resource.body, "properties.roleDefinitionId").split("/")[-1]
            scope = resource.body["scope"].resource.type
            found[role] = (resource.where, scope)
            if role not in ROLES or ROLES[role][1] != scope:
                yield f"{resource.where}: nobody needs the role {role} on {scope}"
            if "identity" not in at(resource.body, "properties.principalId"):
                yield f"{resource.where}: the role is not for the identity of the apps"
        for role, (name, scope) in ROLES.items():
            if role not in found:
                yield f"aca/main.bicep: the identity of the apps lacks the role {name} on {scope}"

    def private_addresses(self) -> Iterator[str]:
        zones = {resource.body["name"] for resource in self.of("Microsoft.Network/privateDnsZones")}
        groups = set()
        for resource in self.of("Microsoft.Network/privateEndpoints"):
            for connection in at(resource.body, "properties.privateLinkServiceConnections"):
                groups.update(at(connection, "properties.groupIds"))
        for group, zone in ENDPOINTS.items():
            if self.production and (group not in groups or zone not in zones):
                yield f"aca/main.bicep: there is no private endpoint for {group} with the zone {zone}"
        records = self.of("Microsoft.Network/privateDnsZones/A")
        everything = [one for one in records if one.body["name"] == "*" and "defaultDomain" in one.body["inside"].body["name"]]
        for environment in self.of(ENVIRONMENT):
            if at(environment.body, "properties.vnetConfiguration.internal"):
                if not any("staticIp" in repr(at(one.body, "properties.aRecords")) for one in everything):
                    yield f"{environment.where}: nobody finds the names of an environment that only its network reaches"

    def leaks(self) -> Iterator[str]:
        """A secret may lie only in Key Vault."""
        for resource in self.deployment.resources:
            text = repr(
                {key: value for key, value in resource.body.items() if key not in ("inside", "parent", "scope")}
            )
            if resource.type != f"{VAULT}/secrets" and (
                "keys of " in text or any(secret in text for secret in self.secrets)
            ):
                yield f"{resource.where}: {resource.type} holds a secret"
        for name, value in self.deployment.outputs.items():
            if "keys of " in str(value) or any(secret in str(value) for secret in self.secrets):
                yield f"aca/main.bicep: the output {name} holds a secret"

    # --- the apps ---

    def secrets_of(self, configuration: dict[str, Any]) -> dict[str, Any]:
        return {secret["name"]: secret for secret in configuration["secrets"]}

    def runs(self, program: str, app: Resource) -> Iterator[str]:
        """What must hold of an app and of a job."""
        configuration, template = at(app.body, "properties.configuration"), at(app.body, "properties.template")
        kept = {resource.body["name"] for resource in self.of(f"{VAULT}/secrets")}
        for secret in configuration["secrets"]:
            if "value" in secret or "identity" not in secret:
                yield f"the secret {secret['name']} must be read from Key Vault with the identity"
            elif secret["keyVaultUrl"].split("secrets/")[-1] not in kept:
                yield f"Key Vault has no secret for {secret['name']}"
        if any(
            "identity" not in registry or "passwordSecretRef" in registry for registry in configuration["registries"]
        ):
            yield "the image must be pulled with the identity"
        (container,) = template["containers"]
        secrets = self.secrets_of(configuration)
        yield from self.environment(program, container, secrets)
        yield from self.files(container, template.get("volumes") or [], secrets)
        is_worker = program == "prynai-worker"
        image, command = self.worker_is if is_worker else (container["image"], program)
        if container["image"] != image:
            yield f"the image must be {image}"
        if container["command"] != [command]:
            yield f"the command must be {command}"

    def files(self, container: dict[str, Any], volumes: list[dict[str, Any]], secrets: dict[str, Any]) -> Iterator[str]:
        there = set()
        folders = {mount["volumeName"]: mount["mountPath"] for mount in container.get("volumeMounts") or []}
        for volume in volumes:
            for file in volume["secrets"]:
                if file["secretRef"] not in secrets:
                    yield f"the volume {volume['name']} names a secret that is not there: {file['secretRef']}"
                there.add(f"{folders.get(volume['name'])}/{file['path']}")
        for variable in container["env"]:
            for path in variable["value"].split(",") if variable["name"] in FILES else []:
                if path not in there:
                    yield f"there is no file {path}"

    def app(self, name: str, app: Resource) -> Iterator[str]:
        configuration, template = at(app.body, "properties.configuration"), at(app.body, "properties.template")
        yield from self.runs(f"prynai-{name}", app)
        secrets = self.secrets_of(configuration)
        if configuration["activeRevisionsMode"] != "Single":
            yield "scale rules that are no HTTP rules need the revision mode Single"
        (container,) = template["containers"]
        drain = next((int(v["value"][:-1]) for v in container["env"] if v["name"] == "PRYNAI_DRAIN_TIMEOUT"), 0)
        grace = template["terminationGracePeriodSeconds"]
        if not drain + LAST_SECONDS <= grace <= LONGEST_GRACE:
            yield f"a grace of {grace} s does not fit a drain of {drain} s"
        rules = [rule["name"] for rule in at(template, "scale.rules")]
        if len(set(rules)) != len(rules):
            yield "two scale rules have one name"
        for rule in at(template, "scale.rules"):
            for auth in rule.get("custom", {}).get("auth", []):
                if auth["secretRef"] not in secrets:
                    yield f"the scale rule {rule['name']} names a secret that is not there: {auth['secretRef']}"

    def environment(self, program: str, container: dict[str, Any], secrets: dict[str, Any]) -> Iterator[str]:
        known = settings(self.root)
        names = [variable["name"] for variable in container["env"]]
        for variable in container["env"]:
            name = variable["name"]
            if names.count(name) > 1:
                yield f"{name} is set twice"
            if name not in OF_AZURE and not known.get(name, set()) & {program, "every program"}:
                yield f"{program} has no setting {name}"
            if "secretRef" in variable and variable["secretRef"] not in secrets:
                yield f"{name} names a secret that is not there: {variable['secretRef']}"
            if name in SECRETS and "secretRef" not in variable:
                yield f"{name} must come from a secret"
            if name == "PRYNAI_REDIS_URL" and not variable.get("value", "rediss://").startswith("rediss://"):
                yield "Redis must be spoken to with TLS"

    def gateway(self, app: Resource) -> Iterator[str]:
        ingress, template = at(app.body, "properties.configuration.ingress"), at(app.body, "properties.template")
        env = {variable["name"]: variable.get("value", "") for variable in template["containers"][0]["env"]}
        if not ingress or not ingress["external"] or ingress["allowInsecure"]:
            yield "the gateway must be reachable, and only over HTTPS"
        if env.get("PRYNAI_AUTH") != "entra":
            yield "callers must sign in"
        # Entra ID takes no URL of Azure's as an identifier, and compares with the URL that clients send.
        url = env["PRYNAI_PUBLIC_URL"]
        wanted = None if isinstance(url, Later) or not self.url_is_identifier else f"{url}/"
        if env.get("PRYNAI_AUTH_SCOPE_PREFIX") != wanted:
            yield f"the prefix of scopes must be {wanted}, and is {env.get('PRYNAI_AUTH_SCOPE_PREFIX')}"
        if "PRYNAI_OAUTH_FACADE" in env and not self.gets_tokens(app):
            yield "the façade proves itself with the identity, which gets no tokens there"
        if "PRYNAI_DOWNSTREAM_CLIENT_ID" in env and not self.gets_tokens(app):
            yield "the API proves itself with the identity, which gets no tokens there"
        if env.get("PRYNAI_DOWNSTREAM_CLIENT_ID", env["PRYNAI_AUTH_AUDIENCE"]) != env["PRYNAI_AUTH_AUDIENCE"]:
            yield "only the API may exchange tokens that are for it"
        if env.keys() & {"PRYNAI_FACADE_CLIENT_SECRET", "PRYNAI_DOWNSTREAM_CLIENT_SECRET"}:
            yield "neither the façade nor the API must have a secret of its registration"
        given = template["containers"][0].get("probes", [])
        probes = {probe["type"]: probe.get("httpGet") or probe["tcpSocket"] for probe in given}
        # A gateway that is full takes a connection and refuses it: that must not end it.
        wanted = {"Startup": "/livez", "Liveness": None, "Readiness": "/readyz"}
        if {kind: probe.get("path") for kind, probe in probes.items()} != wanted:
            yield f"the probes must be {wanted}"
        port = int(env["PRYNAI_LISTEN"].split(":")[-1])
        if {ingress["targetPort"], *(probe["port"] for probe in probes.values())} != {port}:
            yield f"ingress and probes must use the port {port}"
        scale = template["scale"]
        if scale["minReplicas"] < 1 or scale["maxReplicas"] < scale["minReplicas"]:
            yield "there must be a gateway always"
        rules = [rule.get("custom", {}).get("type", "http" if "http" in rule else "") for rule in scale["rules"]]
        if sorted(rules) != ["cpu", "http"]:
            yield f"the scale rules must be http and cpu, and are {rules}"

    def gets_tokens(self, app: Resource) -> bool:
        given = at(app.body, "properties.configuration.identitySettings")
        return [one["lifecycle"] for one in given] == ["Main"]

    def worker(self, app: Resource) -> Iterator[str]:
        if "ingress" in at(app.body, "properties.configuration"):
            yield "nothing may connect to a worker"
        scale = at(app.body, "properties.template.scale")
        rules = [
            rule["custom"]["metadata"]
            for rule in scale["rules"]
            if rule.get("custom", {}).get("type") == "redis-streams"
        ]
        if sorted(key for rule in rules for key in rule if key in ("lagCount", "pendingEntriesCount")) != [
            "lagCount",
            "pendingEntriesCount",
        ]:
            yield "two scale rules are needed: one for what waits (lagCount), one for what runs (pendingEntriesCount)"
        page = (self.root / "docs/redis.md").read_text(encoding="utf-8")
        for rule in rules:
            if f"`{rule.get('stream')}`" not in page or f"consumer group `{rule.get('consumerGroup')}`" not in page:
                yield f"docs/redis.md has no stream {rule.get('stream')} with the group {rule.get('consumerGroup')}"
            if rule.get("enableTLS") != "true" or not rule.get("address", "").endswith(":10000"):
                yield "the scaler must use TLS, and the port of Redis"
            if "databaseIndex" in rule:
                yield "Azure Managed Redis has no SELECT, so no rule may have a databaseIndex"
            if any(int(rule.get(count, 1)) < 1 for count in ("lagCount", "pendingEntriesCount")):
                yield "a rule must count in steps of one or more"
        for rule in scale["rules"]:
            auth = rule.get("custom", {}).get("auth", [])
            if {"secretRef": "redis-key", "triggerParameter": "password"} not in auth:
                yield f"the scale rule {rule['name']} must sign in to Redis with the access key"
        if scale["maxReplicas"] < max(1, scale["minReplicas"]):
            yield "there can be no worker"


def settings(root: Path) -> dict[str, set[str]]:
    """The variables of docs/settings.md, and the programs that have each."""
    text = (root / "docs/settings.md").read_text(encoding="utf-8")
    found = {}
    for name, rest in re.findall(r"^`--[^`]+` · `([A-Z_0-9]+)` · ((?:.|\n(?!\n))*)", text, re.M):
        found[name] = set(re.findall(r"every\s+program|prynai-\w+", rest.split("·")[-1]))
        found[name] = {" ".join(program.split()) for program in found[name]}
    return found
