#!/usr/bin/env python3
"""Starts the real programs as the pods of the Helm chart would: with the settings, the files and the secrets that each
variant gives them, and a real Redis. Asks for the probes, and stops them as Kubernetes does. `scripts/deployment
--start` runs it; needs helm, openssl, redis-server, and the programs in PRYNAI_BIN_DIR.

What it cannot have is an issuer of tokens and Entra ID: a gateway that waits for the first must answer probes, and a
process that waits for the second must have understood its settings."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import charts

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "the-password-of-redis"
SECRETS = {
    "envelope-key": "e" * 32,
    "state-key": "s" * 32,
    "task-key": "t" * 32,
    "admin-token": "a" * 32,
    "facade-key": "f" * 32,
    "facade-client-secret": "the-secret-of-the-facade",
    "facade-enterprise-clients": "agent=the-secret-of-the-agent,other=the-secret-of-another",
    "downstream-key": "d" * 32,
    "downstream-client-secret": "the-secret-of-the-api",
}
# What the webhook of workload identity sets in a pod that is labelled for it.
WEBHOOK = {
    "AZURE_FEDERATED_TOKEN_FILE": "/nowhere",
    "AZURE_TENANT_ID": "tenant",
    "AZURE_CLIENT_ID": "client",
    "AZURE_AUTHORITY_HOST": "http://localhost:1/",
}
POLICY = '[[allow]]\ntools = ["echo"]\n'
# Generous: only what hangs reaches it.
PATIENCE_S = 60
UNCHECKED = ssl._create_unverified_context()  # noqa: S323 - the kubelet checks no certificate either


class Pod:
    """One program, as its container would run it."""

    def __init__(self, deployment: dict[str, Any], folder: Path, redis: dict[bool, str]) -> None:
        self.spec = deployment["spec"]["template"]["spec"]
        self.container = self.spec["containers"][0]
        self.addresses: dict[str, str] = {}
        given = [variable["name"] for variable in self.container["env"]]
        secrets = {**SECRETS, "redis-url": redis["PRYNAI_REDIS_CA" in given]}
        env = {"PATH": os.environ["PATH"]}
        for variable in self.container["env"]:
            secret = variable.get("valueFrom", {}).get("secretKeyRef", {}).get("key")
            value = secrets[secret] if secret else variable["value"]
            if variable["name"].endswith("LISTEN"):
                value = re.sub(r":\d+$", ":0", value)
            env[variable["name"]] = value.replace("/etc/prynai", str(folder))
        self.entra = "PRYNAI_REDIS_AUTH" in env
        if self.entra:
            env |= WEBHOOK
        self.role = self.container["name"]
        (command,) = self.container["command"]
        self.lines: queue.Queue[str] = queue.Queue()
        self.seen: list[str] = []
        binary = Path(os.environ.get("PRYNAI_BIN_DIR") or ROOT / "target/debug") / command
        self.process = subprocess.Popen(
            [binary], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def wait_for(self, message: str) -> dict[str, Any]:
        while True:
            line = self.lines.get(timeout=PATIENCE_S)
            self.seen.append(line)
            if not line:
                raise AssertionError("it ended:\n" + "".join(self.seen))
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if said["message"] == message:
                    return said

    def start(self) -> None:
        self.addresses["admin"] = self.wait_for("listening for administration")["address"]
        if self.entra:
            return
        if self.role == "worker":
            self.wait_for("ready")
        else:
            self.addresses["http"] = self.wait_for("listening")["address"]

    def probe(self, kind: str) -> int:
        asked = self.container[kind]["httpGet"]
        address = self.addresses[asked["port"]].replace("0.0.0.0", "127.0.0.1")
        url = f"{asked.get('scheme', 'HTTP').lower()}://{address}{asked['path']}"
        try:
            return urllib.request.urlopen(url, timeout=PATIENCE_S, context=UNCHECKED).status
        except urllib.error.HTTPError as error:
            return error.code

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(self.spec["terminationGracePeriodSeconds"])


def check(documents: list[dict[str, Any]], values: dict[str, Any], folder: Path, redis: dict[bool, str]) -> None:
    pods = [Pod(one, folder, redis) for one in documents if one["kind"] == "Deployment"]
    try:
        for pod in pods:
            pod.start()
        for pod in pods:
            if pod.entra:
                continue
            waits = pod.role == "gateway" and values["auth"]["kind"] != "none"
            wanted = {"startupProbe": 200, "livenessProbe": 200, "readinessProbe": 503 if waits else 200}
            found = {kind: pod.probe(kind) for kind in wanted}
            assert found == wanted, f"the probes of {pod.container['name']} say {found}, not {wanted}"
        for pod in pods:
            code = pod.stop()
            assert code == 0, f"{pod.container['name']} ended with {code}"
    finally:
        for pod in pods:
            pod.process.kill()


def fault(chosen: dict[str, Any], folder: Path, redis: dict[bool, str]) -> str | None:
    try:
        check(charts.render(ROOT, chosen), charts.merged(charts.values(ROOT), chosen), folder, redis)
    except (AssertionError, subprocess.SubprocessError, queue.Empty, OSError) as found:
        return repr(found) if not isinstance(found, AssertionError) else str(found)
    return None


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def redis_server(folder: Path):
    """A Redis with a password; its address by whether it is spoken to with TLS."""
    plain, encrypted = free_port(), free_port()
    certificate, key = folder / "tls/tls.crt", folder / "tls/tls.key"
    command = ["redis-server", "--save", "", "--dir", str(folder), "--maxmemory-policy", "noeviction"]
    command += ["--requirepass", PASSWORD, "--port", str(plain), "--tls-port", str(encrypted), "--bind", "127.0.0.1"]
    command += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if "Ready to accept connections" in line:
                break
        threading.Thread(target=server.stdout.read, daemon=True).start()
        yield {False: f"redis://:{PASSWORD}@127.0.0.1:{plain}", True: f"rediss://:{PASSWORD}@127.0.0.1:{encrypted}"}
    finally:
        server.terminate()
        server.wait()


def make_files(folder: Path) -> None:
    for name in ("tls", "redis", "policy", "signing"):
        (folder / name).mkdir()
    subprocess.run([ROOT / "scripts/dev-certs", "--into", folder / "tls"], check=True, capture_output=True)
    (folder / "tls/ca.pem").rename(folder / "redis/ca.crt")
    (folder / "policy/policy.toml").write_text(POLICY, encoding="utf-8")
    for name in ("new", "old"):
        key = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        subprocess.run([*key, "-out", folder / f"signing/signing-{name}.pem"], check=True, capture_output=True)


def main() -> None:
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder)
        with redis_server(folder) as redis:
            variants = charts.variants(ROOT)
            # A stop takes seconds, in which nothing happens.
            with ThreadPoolExecutor(4) as executor:
                found = executor.map(lambda chosen: fault(chosen, folder, redis), variants.values())
                for variant, said in zip(variants, found, strict=True):
                    print(f"{variant}: {said or 'ok'}", flush=True)
                    failed |= said is not None
    if failed:
        sys.exit("scripts/deployment --start: mend the lines above")


if __name__ == "__main__":
    main()
