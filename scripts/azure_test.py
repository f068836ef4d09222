#!/usr/bin/env python3
"""Runs scripts/deploy_aca, facade_aca, smoke_aca, ops_aca and teardown_aca with programs in the place of az and docker:
neither Azure nor a sign-in is here. scripts/check runs it. Needs Python 3.10, bash and git."""

import json
import re
import shutil
import unittest

from azure_stand_in import Run, Scripts

SECRET = "a secret that nobody else may ever see 1"
STATE_SECRET = "a secret that nobody else may ever see 2"
TASK_SECRET = "a secret that nobody else may ever see 3"
GROUP = {"SUBSCRIPTION": "sub", "RESOURCE_GROUP": "fleet"}
DEPLOY = {**GROUP, "LOCATION": "westeurope", "API_CLIENT_ID": "api", "ENVELOPE_KEY": SECRET, "STATE_KEY": STATE_SECRET}
DEPLOY = {**DEPLOY, "TASK_KEY": TASK_SECRET}

# What Azure says of a subscription in which nothing was deployed.
NOTHING_THERE = [
    ("az group exists", "false"),
    ("az acr repository show", None),
    ("outputs.name.value", "registry1"),
    ("outputs.server.value", "registry1.azurecr.io"),
    ("outputs.environmentId.value", "/environment"),
    ("outputs.dnsRecords.value", "YOUR.NAME  CNAME  gateway.example\\nasuid.YOUR.NAME  TXT  PROOF"),
    ("outputs.endpoint.value", "https://gateway.example/mcp"),
]


class Deploy(Scripts):
    def test_missing_settings_are_named_and_nothing_is_called(self):
        run = self.run_script("deploy_aca", "dev", settings={"RESOURCE_GROUP": "fleet"})
        self.assertEqual(run.code, 1)
        self.assertIn("SUBSCRIPTION LOCATION API_CLIENT_ID", run.text)
        self.assertEqual(run.calls, [])

    def test_prod_needs_its_secrets_and_dev_does_not(self):
        settings = {name: value for name, value in DEPLOY.items() if not name.endswith("_KEY")}
        run = self.run_script("deploy_aca", "prod", "--dry-run", settings=settings)
        self.assertEqual(run.code, 1)
        self.assertIn("ENVELOPE_KEY STATE_KEY", run.text)
        run = self.run_script("deploy_aca", "dev", "--dry-run", settings=settings)
        self.assertEqual(run.code, 0, run.text)

    def test_a_short_secret_is_refused(self):
        for secret in ("x" * 31, "x" * 32 + "," + "y" * 31):
            for name in ("ENVELOPE_KEY", "TASK_KEY"):
                run = self.run_script("deploy_aca", "dev", "--dry-run", settings={**DEPLOY, name: secret})
                self.assertEqual(run.code, 1)
                self.assertIn(f"{name} is too short", run.text)

    def test_a_name_that_azure_would_refuse_is_refused(self):
        for name in ("ab", "fleet-", "fleet--one", "Fleet", "1fleet", "f" * 19, "fleet_1"):
            run = self.run_script("deploy_aca", "dev", "--dry-run", settings={**DEPLOY, "NAME": name})
            self.assertEqual(run.code, 1, name)
            self.assertIn("NAME must have", run.text)
        run = self.run_script("deploy_aca", "dev", "--dry-run", settings={**DEPLOY, "NAME": "fleet-1"})
        self.assertEqual(run.code, 0, run.text)
        self.assertTrue([line for line in run.shown if "name=fleet-1" in line])

    def test_a_dry_run_shows_what_a_run_does(self):
        dry = self.run_script("deploy_aca", "dev", "--dry-run", settings=DEPLOY)
        self.assertEqual(dry.code, 0, dry.text)
        self.assertEqual(dry.calls, [])
        run = self.run_script("deploy_aca", "dev", "--yes", settings=DEPLOY, answers=NOTHING_THERE)
        self.assertEqual(run.code, 0, run.text)
        stand_ins = (
            ("registry1", "REGISTRY"),
            ("/environment", "ENVIRONMENT"),
            ("gateway.example", "GATEWAY"),
        )
        shown = run.shown
        for real, stand_in in stand_ins:
            shown = [line.replace(real, stand_in) for line in shown]
        self.assertEqual(shown, dry.shown)
        # What is shown is what is called.
        self.assertEqual(len(run.calls), len(run.shown))

    def test_an_empty_subscription(self):
        run = self.run_script("deploy_aca", "prod", "--yes", settings=DEPLOY, answers=NOTHING_THERE)
        self.assertEqual(run.code, 0, run.text)
        order = [
            "az provider register",
            "az group create",
            "az deployment group what-if --subscription sub --resource-group fleet --name prynai-registry",
            "az deployment group create --subscription sub --resource-group fleet --name prynai-registry",
            "docker build",
            "docker push registry1.azurecr.io/prynai-mcp:",
            "az deployment group what-if --subscription sub --resource-group fleet --name prynai --",
            "az deployment group create --subscription sub --resource-group fleet --name prynai --",
        ]
        positions = [run.position(line) for line in order]
        self.assertEqual(positions, sorted(positions), run.lines)
        self.assertIn("sku=Standard", run.lines[positions[2]])
        self.assertIn("aca/prod.bicepparam", run.lines[positions[-1]])
        self.assertIn("Clients connect to https://gateway.example/mcp", run.text)
        self.assertIn("\n  YOUR.NAME  CNAME  gateway.example\n  asuid.YOUR.NAME  TXT  PROOF\n", run.text)
        # The parameter file reads these from the environment.
        last = run.calls[positions[-1]]
        self.assertRegex(last.image, r"^registry1\.azurecr\.io/prynai-mcp:[0-9a-f]{12}$")
        self.assertEqual(last.keys, [SECRET, STATE_SECRET, TASK_SECRET])

    def test_secrets_are_in_no_command_and_on_no_screen(self):
        for arguments in (["--dry-run"], ["--yes"]):
            run = self.run_script("deploy_aca", "prod", *arguments, settings=DEPLOY, answers=NOTHING_THERE)
            self.assertEqual(run.code, 0, run.text)
            self.assertNotIn("nobody else may", run.text)
            self.assertFalse([line for line in run.lines if "nobody else may" in line])

    def test_a_group_is_for_one_variant(self):
        for there, code in (("prod", 1), ("dev", 0), ("", 0), ("None", 0)):
            answers = [("az group exists", "true"), ("az group show", there)] + NOTHING_THERE
            run = self.run_script("deploy_aca", "dev", "--yes", settings=DEPLOY, answers=answers)
            self.assertEqual(run.code, code, run.text)
            self.assertEqual(run.called("az deployment"), code == 0)
            self.assertEqual(run.called("az tag update"), there in ("", "None"))
            self.assertEqual("for prod, not for dev" in run.text, code == 1)

    def test_keys_that_are_missing_are_told_loudly(self):
        for missing, told in ((), False), (("ENVELOPE_KEY",), True), (("STATE_KEY",), True):
            settings = {name: value for name, value in DEPLOY.items() if name not in missing}
            run = self.run_script("deploy_aca", "dev", "--dry-run", settings=settings)
            self.assertEqual(run.code, 0, run.text)
            self.assertEqual("ATTENTION" in run.text, told, missing)

    def test_what_is_there_stays(self):
        answers = [("az group exists", "true"), ("az acr repository show", "")] + NOTHING_THERE
        run = self.run_script("deploy_aca", "dev", "--yes", settings=DEPLOY, answers=answers)
        self.assertEqual(run.code, 0, run.text)
        self.assertFalse(run.called("az group create"))
        self.assertFalse(run.called("docker"))

    def test_an_image_of_your_own_is_taken(self):
        settings = {**DEPLOY, "IMAGE": "elsewhere.example/image:1"}
        run = self.run_script("deploy_aca", "dev", "--yes", settings=settings, answers=NOTHING_THERE)
        self.assertEqual(run.code, 0, run.text)
        self.assertFalse(run.called("docker"))
        self.assertEqual(run.calls[-1].image, "elsewhere.example/image:1")

    def test_a_parameter_takes_the_place_of_the_one_in_the_file(self):
        run = self.run_script("deploy_aca", "dev", "workerMinReplicas=1", "--dry-run", settings=DEPLOY)
        self.assertEqual(run.code, 0, run.text)
        changed = [line for line in run.shown if line.endswith("location=westeurope workerMinReplicas=1")]
        created = [line for line in run.shown if "location=westeurope workerMinReplicas=1 --output none" in line]
        self.assertEqual([len(changed), len(created)], [1, 1], run.shown)

    def test_nothing_is_deployed_without_a_yes(self):
        for typed in ("no\n", "", "y\n"):
            run = self.run_script("deploy_aca", "dev", settings=DEPLOY, answers=NOTHING_THERE, typed=typed)
            self.assertEqual(run.code, 1)
            self.assertTrue(run.called("az account show"))
            self.assertFalse(run.called("az provider register"))
            # The subscription is agreed to, the registry is not.
            run = self.run_script("deploy_aca", "dev", settings=DEPLOY, answers=NOTHING_THERE, typed=f"yes\n{typed}")
            self.assertEqual(run.code, 1)
            self.assertTrue(run.called("az deployment group what-if"))
            self.assertFalse(run.called("az deployment group create"))
        # The registry is agreed to as well, the rest is not.
        run = self.run_script("deploy_aca", "dev", settings=DEPLOY, answers=NOTHING_THERE, typed="yes\nyes\nno\n")
        self.assertEqual(run.code, 1)
        self.assertEqual(len([line for line in run.lines if line.startswith("az deployment group create")]), 1)

    def test_what_fails_ends_it(self):
        answers = [("az deployment group what-if", None)] + NOTHING_THERE
        run = self.run_script("deploy_aca", "dev", "--yes", settings=DEPLOY, answers=answers)
        self.assertEqual(run.code, 3)
        self.assertFalse(run.called("az deployment group create"))

    def test_an_image_is_not_made_of_what_is_in_no_commit(self):
        with open(self.repository / "aca" / "main.bicep", "a") as file:
            file.write("// changed\n")
        (self.repository / "aca" / "policy.toml").write_text("new\n")
        for arguments in (["--yes"], ["--dry-run"]):
            run = self.run_script("deploy_aca", "dev", *arguments, settings=DEPLOY, answers=NOTHING_THERE)
            self.assertEqual(run.code, 1)
            self.assertIn("in no commit", run.text)
            self.assertIn("aca/main.bicep", run.text)
            self.assertIn("aca/policy.toml", run.text)
            # Before anything is made, and also before anything is said to be made.
            self.assertEqual(run.calls, [])
            self.assertEqual(run.shown, [])
        # An image that is there already is not made of them.
        settings = {**DEPLOY, "IMAGE": "elsewhere.example/image:1"}
        run = self.run_script("deploy_aca", "dev", "--yes", settings=settings, answers=NOTHING_THERE)
        self.assertEqual(run.code, 0, run.text)

    def test_a_vault_that_was_deleted_comes_back(self):
        answers = [("az keyvault list-deleted", "prynai-abc")] + NOTHING_THERE
        run = self.run_script("deploy_aca", "prod", "--yes", settings=DEPLOY, answers=answers)
        self.assertEqual(run.code, 0, run.text)
        back = "az keyvault recover --subscription sub --resource-group fleet --name prynai-abc"
        self.assertLess(run.position("az group create"), run.position(back))
        self.assertLess(run.position(back), run.position("az deployment group create --subscription sub --resource-group fleet --name prynai --"))
        # Of this group and this name, and of no other.
        asked = run.lines[run.position("az keyvault list-deleted")]
        self.assertIn("'/subscriptions/sub/resourceGroups/fleet/'", asked)
        self.assertIn("starts_with(name, 'prynai-')", asked)
        run = self.run_script("deploy_aca", "prod", settings=DEPLOY, answers=answers, typed="yes\nyes\nno\n")
        self.assertEqual(run.code, 1)
        self.assertTrue(run.called("az keyvault list-deleted"))
        self.assertFalse(run.called("az keyvault recover"))
        run = self.run_script("deploy_aca", "prod", "--yes", settings=DEPLOY, answers=NOTHING_THERE)
        self.assertFalse(run.called("az keyvault recover"))

    def test_the_link_of_front_door_is_approved(self):
        answers = [("private-endpoint-connection list", "/link/1\\n/link/2")] + NOTHING_THERE
        run = self.run_script("deploy_aca", "dev", "--yes", settings=DEPLOY, answers=answers)
        self.assertEqual(run.code, 0, run.text)
        approved = [line for line in run.lines if "private-endpoint-connection approve" in line]
        self.assertEqual([line.split("--id ")[1].split()[0] for line in approved], ["/link/1", "/link/2"])

    def test_wrong_words_are_refused(self):
        for arguments in ([], ["test"], ["dev", "--force"]):
            run = self.run_script("deploy_aca", *arguments, settings=DEPLOY)
            self.assertEqual(run.code, 1)
            self.assertEqual(run.calls, [])


class Smoke(Scripts):
    """What it asks of Azure; tests/python/auth/test_smoke.py runs it against a fleet."""

    SETTINGS = {
        **GROUP,
        "NAME": "prynai",
        "API_CLIENT_ID": "api",
        "CLIENT_ID": "daemon",
        "CLIENT_SECRET": SECRET,
    }
    DEPLOYED = [("outputs.endpoint.value", "https://gateway.example/mcp"), ("PRYNAI_AUTH_SCOPE_PREFIX", "None")]

    def setUp(self):
        super().setUp()
        # It stands in for the client as well.
        shutil.copy(self.programs / "az", self.programs / "python3")

    def test_missing_settings_are_named(self):
        run = self.run_script("smoke_aca", settings={})
        self.assertEqual(run.code, 1)
        self.assertIn("CLIENT_ID CLIENT_SECRET", run.text)
        run = self.run_script("smoke_aca", settings={"CLIENT_ID": "daemon", "CLIENT_SECRET": SECRET})
        self.assertEqual(run.code, 1)
        self.assertIn("SUBSCRIPTION RESOURCE_GROUP NAME API_CLIENT_ID", run.text)
        self.assertEqual(run.calls, [])

    def test_the_endpoint_is_asked_for_and_the_logs_are_searched_for_redis(self):
        logs = [
            ("--name prynai-gateway", "listening\\nRedis is away; waiting for it"),
            ("--name prynai-worker", "ready"),
        ]
        run = self.run_script("smoke_aca", settings=self.SETTINGS, answers=self.DEPLOYED + logs)
        self.assertEqual(run.code, 0, run.text)
        asked = "python3 examples/smoke_http.py https://gateway.example/mcp --client-id daemon --scope api://api/.default"
        self.assertIn(asked, run.lines)
        # The façade takes a scope only as clients are told of it.
        answers = [("PRYNAI_AUTH_SCOPE_PREFIX", "https://mcp.example.com/mcp/"), *self.DEPLOYED, *logs]
        named = self.run_script("smoke_aca", settings=self.SETTINGS, answers=answers)
        self.assertTrue([line for line in named.lines if line.endswith("--scope https://mcp.example.com/mcp/.default")])
        gateway, worker = run.text.split("the log of the worker")
        self.assertIn("Redis is away", gateway)
        self.assertNotIn("listening", gateway)
        self.assertIn("was not lost", worker)
        self.assertNotIn(SECRET, run.text + "".join(run.lines))
        dry = self.run_script("smoke_aca", "--dry-run", settings=self.SETTINGS)
        self.assertEqual(dry.code, 0, dry.text)
        self.assertEqual(dry.calls, [])
        self.assertEqual([line.replace("gateway.example", "GATEWAY") for line in run.shown], dry.shown)

    def test_what_a_client_finds_wrong_ends_it(self):
        answers = [("smoke_http.py", None), *self.DEPLOYED]
        run = self.run_script("smoke_aca", settings=self.SETTINGS, answers=answers)
        self.assertNotEqual(run.code, 0)
        self.assertFalse(run.called("az containerapp logs"))

    def test_a_log_that_is_not_there_is_no_fault(self):
        answers = [("--name prynai-worker", None), *self.DEPLOYED]
        run = self.run_script("smoke_aca", settings=self.SETTINGS, answers=answers)
        self.assertEqual(run.code, 0, run.text)
        self.assertIn("does a replica run?", run.text)

    def test_elsewhere_azure_is_not_asked(self):
        settings = {"CLIENT_ID": "daemon", "CLIENT_SECRET": SECRET}
        run = self.run_script("smoke_aca", "https://127.0.0.1:8000/mcp", "--ca", "ca.pem", settings=settings)
        self.assertEqual(run.code, 0, run.text)
        self.assertFalse(run.called("az"))
        asked = "python3 examples/smoke_http.py https://127.0.0.1:8000/mcp --client-id daemon --ca ca.pem"
        self.assertIn(asked, run.lines)

    def test_wrong_words_are_refused(self):
        for arguments in (["prod"], ["--ca"], ["--force"]):
            run = self.run_script("smoke_aca", *arguments, settings=self.SETTINGS)
            self.assertEqual(run.code, 1)
            self.assertEqual(run.calls, [])


class Facade(Scripts):
    """The registration with which gateways sign people in."""

    SETTINGS = {**GROUP, "NAME": "prynai", "API_CLIENT_ID": "api"}
    ANSWERS = [
        ("outputs.endpoint.value", "https://mcp.example.com/mcp"),
        ("az identity show", "identity-1"),
        ("az account show", "tenant-1"),
        ("az ad app create", "facade-1"),
        ("oauth2PermissionScopes", "scope-1"),
    ]

    def changes(self, run: Run) -> list[str]:
        return [line for line in run.lines if not re.search(r" (show|list) ", line)]

    def test_the_identity_of_the_gateway_is_trusted_and_nothing_is_secret(self):
        run = self.run_script("facade_aca", settings=self.SETTINGS, answers=self.ANSWERS)
        self.assertEqual(run.code, 0, run.text)
        made, entered, added, trusted = self.changes(run)
        self.assertIn("az ad sp create --id facade-1", entered)
        self.assertIn("--web-redirect-uris https://mcp.example.com/oauth/callback", made)
        self.assertIn("--id facade-1 --api api --api-permissions scope-1=Scope", added)
        self.assertIn("--id facade-1", trusted)
        credential = json.loads(trusted.split("--parameters ")[1])
        self.assertEqual(credential["subject"], "identity-1")
        self.assertEqual(credential["issuer"], "https://login.microsoftonline.com/tenant-1/v2.0")
        self.assertIn("export FACADE_CLIENT_ID=facade-1", run.text)
        dry = self.run_script("facade_aca", "--dry-run", settings=self.SETTINGS)
        self.assertEqual((dry.code, dry.calls), (0, []))

    def test_again_it_changes_only_what_has_changed(self):
        settings = {**self.SETTINGS, "FACADE_CLIENT_ID": "facade-1"}
        there = [("federated-credential list", "identity-1"), *self.ANSWERS]
        run = self.run_script("facade_aca", settings=settings, answers=there)
        (updated,) = self.changes(run)
        self.assertIn("az ad app update --id facade-1 --web-redirect-uris https://mcp.example.com/oauth/callback", updated)
        other = [("federated-credential list", "identity-0"), *self.ANSWERS]
        run = self.run_script("facade_aca", settings=settings, answers=other)
        self.assertEqual([line.split()[4] for line in self.changes(run)[1:]], ["delete", "create"])

    def test_what_is_missing_is_named(self):
        run = self.run_script("facade_aca", settings=GROUP)
        self.assertEqual(run.code, 1)
        self.assertIn("NAME API_CLIENT_ID", run.text)
        answers = [("oauth2PermissionScopes", ""), *self.ANSWERS]
        run = self.run_script("facade_aca", settings={**self.SETTINGS, "SCOPE": "other"}, answers=answers)
        self.assertEqual(run.code, 1)
        self.assertIn("no scope other", run.text)

    def test_a_deployment_with_it_needs_its_key(self):
        run = self.run_script("deploy_aca", "dev", "--dry-run", settings={**DEPLOY, "FACADE_CLIENT_ID": "facade-1"})
        self.assertEqual(run.code, 1)
        self.assertIn("FACADE_KEY", run.text)


class Operations(Scripts):
    """prynai-ops, as a job in the deployment."""

    SETTINGS = {**GROUP, "NAME": "prynai"}
    ANSWERS = [
        ("api.loganalytics.io", "all is well"),
        ("az containerapp job show", '{"containers": [1]}'),
        ("az rest --method post", "prynai-ops-abc"),
        ("properties.status", "Succeeded"),
        ("customerId", "workspace"),
    ]

    def test_it_shows_what_was_said(self):
        run = self.run_script("ops_aca", "queue", "--state", "running", settings=self.SETTINGS, answers=self.ANSWERS)
        self.assertEqual(run.code, 0, run.text)
        self.assertIn("\nall is well\n", run.text)
        self.assertIn("args: ['queue', '--state', 'running']", run.lines[0])
        started = run.calls[run.position("az rest --method post")].words
        self.assertIn('{"containers": [1]}', started)
        self.assertIn("/jobs/prynai-ops/start?", " ".join(started))
        self.assertTrue(run.called("az containerapp job execution show --subscription sub"))
        self.assertIn("'prynai-ops-abc'", run.lines[run.position("az rest --method post --resource")])
        dry = self.run_script("ops_aca", "--dry-run", "queue", "--state", "running", settings=self.SETTINGS)
        self.assertEqual(dry.code, 0, dry.text)
        self.assertEqual(dry.calls, [])
        real = ('{"containers": [1]}', "prynai-ops-abc", "workspace/query")
        shown = run.shown
        for value, stand_in in zip(real, ('{"containers": [THE-CONTAINER]}', "EXECUTION", "WORKSPACE/query"), strict=True):
            shown = [line.replace(value, stand_in) for line in shown]
        self.assertEqual(shown, dry.shown)

    def test_it_fails_when_the_job_does_and_still_shows_what_was_said(self):
        answers = [("properties.status", "Failed"), *self.ANSWERS]
        run = self.run_script("ops_aca", "doctor", settings=self.SETTINGS, answers=answers)
        self.assertEqual(run.code, 1)
        self.assertIn("\nall is well\n", run.text)
        self.assertIn("prynai-ops-abc: Failed", run.text)

    def test_wrong_words_and_missing_settings_are_refused(self):
        for arguments in ([], ["call", "a'b"], ["call", "a b"], ["status", ""]):
            run = self.run_script("ops_aca", *arguments, settings=self.SETTINGS)
            self.assertEqual(run.code, 1)
            self.assertEqual(run.calls, [])
        run = self.run_script("ops_aca", "status", settings={})
        self.assertIn("SUBSCRIPTION RESOURCE_GROUP NAME", run.text)


class TearDown(Scripts):
    THERE = [
        ("az group exists", "true"),
        ("az group show", "prynai-deploy-aca"),
        ("az keyvault list-deleted", "vault1"),
        ("az apim deletedservice list", "front1,West Europe"),
    ]

    def test_missing_settings_are_named(self):
        run = self.run_script("teardown_aca", settings={})
        self.assertEqual(run.code, 1)
        self.assertIn("SUBSCRIPTION RESOURCE_GROUP", run.text)
        self.assertEqual(run.calls, [])

    def test_a_dry_run_calls_nothing(self):
        run = self.run_script("teardown_aca", "--dry-run", settings=GROUP)
        self.assertEqual(run.code, 0, run.text)
        self.assertEqual(run.calls, [])
        for command in ("az group delete", "az keyvault purge", "az apim deletedservice purge"):
            self.assertTrue([line for line in run.shown if line.startswith(command)], command)

    def test_the_group_goes_when_its_name_is_typed(self):
        run = self.run_script("teardown_aca", settings=GROUP, answers=self.THERE, typed="fleet\n")
        self.assertEqual(run.code, 0, run.text)
        self.assertIn("az group delete --subscription sub --name fleet --yes", run.lines)
        self.assertIn("az keyvault purge --subscription sub --name vault1", run.lines)
        location = run.calls[run.position("az apim deletedservice purge")].words[-1]
        self.assertEqual(location, "West Europe")

    def test_it_stays_when_another_name_is_typed(self):
        run = self.run_script("teardown_aca", settings=GROUP, answers=self.THERE, typed="yes\n")
        self.assertEqual(run.code, 1)
        self.assertFalse(run.called("az group delete"))

    def test_a_group_of_somebody_else_stays(self):
        answers = [("az group show", "")] + self.THERE
        run = self.run_script("teardown_aca", "--yes", settings=GROUP, answers=answers)
        self.assertEqual(run.code, 1)
        self.assertIn("by hand", run.text)
        self.assertFalse(run.called("az group delete"))

    def test_a_second_run_purges_what_is_left(self):
        answers = [("az group exists", "false")] + self.THERE
        run = self.run_script("teardown_aca", "--yes", settings=GROUP, answers=answers)
        self.assertEqual(run.code, 0, run.text)
        self.assertFalse(run.called("az group delete"))
        self.assertTrue(run.called("az keyvault purge"))


if __name__ == "__main__":
    unittest.main()
