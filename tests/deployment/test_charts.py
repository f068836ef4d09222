"""Each demand on the Helm chart can fail: every mistake below is one that must be found, and every value that
contradicts another is refused. scripts/deployment runs this; it takes half a minute."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import charts
import check
from test_check import mistakes

FILE = Path(__file__).with_name("chart_mistakes.txt")
RULES = check.scale_rules(check.ROOT)


class Planted(unittest.TestCase):
    """Plants mistakes in a copy."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        shutil.copytree(check.ROOT / charts.CHART, self.root / charts.CHART)
        for name in ("aca", "docs", "Cargo.toml", "CHANGELOG.md", "Dockerfile"):
            (self.root / name).symlink_to(check.ROOT / name)

    def found(self, variant: str) -> str:
        chosen = {variant: charts.variants(self.root)[variant]}
        with mock.patch.object(charts, "variants", return_value=chosen):
            return "\n".join(charts.check(self.root, RULES))

    def test_mistakes(self) -> None:
        for name, variant, said, old, new in mistakes(FILE):
            with self.subTest(file=name, old=old, new=new):
                file = self.root / charts.CHART / name
                text = file.read_text(encoding="utf-8")
                self.assertTrue(old in text, f"{name} has changed: write the mistake anew")
                file.write_text(text.replace(old, new, 1), encoding="utf-8")
                try:
                    found = self.found(variant)
                finally:
                    file.write_text(text, encoding="utf-8")
                self.assertIn(said, found)

    def test_a_value_that_is_not_described(self) -> None:
        file = self.root / charts.CHART / "values.schema.json"
        schema = json.loads(file.read_text(encoding="utf-8"))
        del schema["properties"]["worker"]["properties"]["concurrency"]["description"]
        file.write_text(json.dumps(schema), encoding="utf-8")
        self.assertIn("worker.concurrency. is not described", "\n".join(charts.check_schema(self.root)))

    def test_a_link_that_a_packed_chart_lacks(self) -> None:
        file = self.root / charts.CHART / "README.md"
        text = file.read_text(encoding="utf-8")
        for planted in ("../../../docs/redis.md", "https://github.com/prynai/prynai-mcp/blob/main/docs/rediss.md"):
            for link in (f"[a]({planted})", f"[a]: {planted}"):
                file.write_text(f"{text}\n{link}\n", encoding="utf-8")
                self.assertIn(f"{planted} leads nowhere", "\n".join(charts.check_links(self.root)))

    def test_what_is_said_after_the_installation(self) -> None:
        # Needs no cluster, and is the only way to see it.
        def said(**changes) -> str:
            return charts.helm(check.ROOT, {**charts.BASE, **changes}, "install", "fleet", "--dry-run=client")

        for changes, wanted in [
            ({}, "auth.scopes and auth.roles are empty"),
            ({"auth": {"kind": "none"}}, "auth.kind is none"),
            ({"ingress": {"enabled": True}}, "no certificate of its own"),
            ({"signRequests": False}, "signRequests is false"),
        ]:
            with self.subTest(changes=changes):
                self.assertIn(wanted, said(**changes))
        well = said(
            auth={**charts.BASE["auth"], "scopes": ["s"]},
            ingress={"enabled": True, "tlsSecret": "t"},
        )
        for unwanted in ("are empty", "no certificate", "is none", "is false"):
            self.assertNotIn(unwanted, well)
        # A gateway must say it: start_chart.py waits for the same line.
        self.assertIn("logs deployment/fleet-gateway | grep '\"listening\"'\n", well)
        sources = (check.ROOT / "gateway/engine/src").rglob("*.rs")
        self.assertTrue(any(', "listening");' in source.read_text(encoding="utf-8") for source in sources))

    def test_a_rule_that_differs_from_azure(self) -> None:
        rules = [{**rule, **({"lagCount": "8"} if "lagCount" in rule else {})} for rule in RULES]
        found = "\n".join(charts.check(check.ROOT, rules))
        self.assertIn("lagCount of the rule waiting is not that of aca/modules/worker.bicep", found)

    def test_values_that_are_refused(self) -> None:
        entra = {"redis": {"address": "redis:6379", "auth": "entra"}}
        facade = {"enabled": True, "clientId": "f", "proof": "secret"}
        other_apis = {"auth": charts.ENTRA, "downstream": {"clientId": "a", "proof": "secret"}}
        for changes, said in [
            ({"secretName": ""}, "/secretName"),
            ({"publicUrl": "mcp.example.com"}, "/publicUrl"),
            ({"redis": {"address": "redis"}}, "/redis/address"),
            ({"redis": {"address": "redis://redis:6379"}}, "/redis/address"),
            ({"auth": {"kind": "password"}}, "/auth/kind"),
            ({"auth": {"kind": "entra", "audience": ["a"]}}, "auth.tenant is missing"),
            ({"auth": {"kind": "oidc", "audience": ["a"]}}, "auth.issuer is missing"),
            ({"auth": {"kind": "oidc", "audience": ["a"], "issuer": "http://i"}}, "/auth/issuer"),
            ({"auth": {"kind": "oidc", "issuer": "https://i"}}, "auth.audience is missing"),
            ({**entra}, "needs identity.clientId"),
            ({"redis": {**entra["redis"], "tls": False}, "identity": {"clientId": "c"}}, "needs redis.tls"),
            ({"facade": {"enabled": True, "proof": "secret"}}, "facade.clientId is missing"),
            ({"facade": {"enabled": True, "clientId": "f"}}, "facade.proof identity needs identity.clientId"),
            ({"facade": {**facade, "enterpriseIssuers": ["https://i"]}}, "needs facade.signingKeys"),
            ({"facade": {**facade, "signingKeys": ["a", "b", "c"]}}, "/facade/signingKeys"),
            ({"facade": {"signingKeys": ["a"]}}, "need facade.enabled"),
            ({"facade": facade, "auth": {"kind": "none"}}, "facade.enabled needs auth.kind"),
            ({"downstream": {"clientId": "a", "proof": "secret"}}, "downstream.clientId needs auth.kind entra"),
            ({"auth": charts.ENTRA, "downstream": {"clientId": "a"}}, "downstream.proof identity needs"),
            ({**other_apis, "signRequests": False}, "downstream.clientId needs signRequests"),
            ({"downstream": {"apps": True}}, "downstream.apps needs downstream.clientId"),
            ({"gateway": {"drainSeconds": 5, "stopDelaySeconds": 9}}, "cannot be longer"),
            ({"worker": {"minReplicas": 3, "maxReplicas": 2}}, "worker.maxReplicas is less"),
            ({"gateway": {"minReplicas": 0}}, "/gateway/minReplicas"),
            ({"worker": {"concurency": 8}}, "concurency"),
            ({"worker": {"image": {"digest": "sha256:1"}}}, "/worker/image/digest"),
        ]:
            with self.subTest(changes=changes):
                with self.assertRaises(subprocess.CalledProcessError) as refused:
                    charts.render(check.ROOT, {**charts.BASE, **changes})
                self.assertIn(said, refused.exception.stderr)


if __name__ == "__main__":
    unittest.main()
