#!/usr/bin/env python3
"""Runs scripts/deploy_aca, smoke_aca, ops_aca and teardown_aca, and follows docs/deployment.md, with programs in the
place of az and docker that write down how they are called and answer from a table: neither Azure nor a sign-in is here.
scripts/check runs it. Needs Python 3.10, bash, git and openssl."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECRET = "a secret that nobody else may ever see 1"
STATE_SECRET = "a secret that nobody else may ever see 2"
GROUP = {"SUBSCRIPTION": "sub", "RESOURCE_GROUP": "fleet"}
DEPLOY = {**GROUP, "LOCATION": "westeurope", "API_CLIENT_ID": "api", "ENVELOPE_KEY": SECRET, "STATE_KEY": STATE_SECRET}

# Bash, because it starts ten times as fast as Python. Words are separated by a character that is in none of them.
STAND_IN = r"""#!/usr/bin/env bash
line="${0##*/}"
for word in "$@"; do line="$line"$'\x1f'"$word"; done
printf '%s\x1e%s\x1e%s\x1e%s\n' "$line" "${IMAGE:-}" "${ENVELOPE_KEY:-}" "${STATE_KEY:-}" >>"$CALLS"
while IFS=$'\x1e' read -r part fails answer; do
  if [[ "${line//$'\x1f'/ }" = *"$part"* ]]; then
    [ "$fails" = no ] || exit 3
    printf '%b\n' "$answer"
    exit
  fi
done <"$ANSWERS"
"""

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


class Call:
    """One call of az or docker, and what it found in its environment."""

    def __init__(self, line: str, image: str, envelope_key: str, state_key: str):
        self.words = line.split("\x1f")
        self.image = image
        self.keys = [envelope_key, state_key]


class Run:
    """How one run of a script ended, and what it called."""

    def __init__(self, done: subprocess.CompletedProcess, calls: list[Call]):
        self.code = done.returncode
        self.text = done.stdout + done.stderr
        self.shown = [line[2:] for line in done.stdout.splitlines() if line.startswith("+ ")]
        self.calls = calls
        self.lines = [" ".join(call.words) for call in calls]

    def position(self, beginning: str) -> int:
        found = [at for at, line in enumerate(self.lines) if line.startswith(beginning)]
        if not found:
            raise AssertionError(f"{beginning} was not called:\n" + "\n".join(self.lines))
        return found[0]

    def called(self, beginning: str) -> bool:
        return any(line.startswith(beginning) for line in self.lines)


class Scripts(unittest.TestCase):
    """A repository of their own, so that a run sees commits and not what somebody is writing."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.repository = self.folder / "repository"
        shutil.copytree(ROOT / "aca", self.repository / "aca")
        (self.repository / "scripts").mkdir()
        for script in ("deploy_aca", "smoke_aca", "ops_aca", "teardown_aca", "azure.sh", "install.sh"):
            shutil.copy(ROOT / "scripts" / script, self.repository / "scripts")
        git = ["git", "-C", str(self.repository), "-c", "user.name=test", "-c", "user.email=test@example.com"]
        for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
            subprocess.run([*git, *command], check=True)
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        # What waits need not wait here.
        for name in ("az", "docker", "sleep"):
            program = self.programs / name
            program.write_text(STAND_IN)
            program.chmod(0o755)

    def run_script(self, script, *arguments, settings, answers=(), typed="") -> Run:
        calls = self.folder / "calls"
        calls.write_text("")
        table = self.folder / "answers"
        lines = ("\x1e".join([part, "yes" if answer is None else "no", answer or ""]) for part, answer in answers)
        table.write_text("".join(f"{line}\n" for line in lines))
        environment = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "CALLS": str(calls),
            "ANSWERS": str(table),
            **settings,
        }
        command = ["bash", str(self.repository / "scripts" / script), *arguments]
        done = subprocess.run(
            command, cwd=self.repository, env=environment, input=typed, capture_output=True, text=True, timeout=60
        )
        return Run(done, [Call(*line.split("\x1e")) for line in calls.read_text().split("\n")[:-1]])


class Page(Scripts):
    """docs/deployment.md, as somebody follows it from its first line to its last: step 8 in a shell of its own, which
    knows nothing of the other one."""

    PROD = re.compile(r"^### 8\. .*?(?=^###? )", re.M | re.S)
    GROUPS = re.compile(r"--resource-group (\S+)|az group \w+ .*--name (\S+)|resource[gG]roups/([^/ ]+)")

    ANSWERS = (
        ("az account show", "sub"),
        ("az acr list", "registry1"),
        ("properties.runningStatus", "Stopped"),
        ("length(@)", "0"),
        ("curl -si", "www-authenticate: Bearer"),
        ("prices.azure.com", '{"Items": []}'),
    )

    def commands(self, page: str) -> str:
        """Those that concern Azure. The scripts say only what they would do."""
        blocks = re.findall(r"^ *```sh\n(.*?)^ *```", page, re.M | re.S)
        ours = [block for block in blocks if re.search(r"^export |\b(apps|az|curl|deploy_aca|smoke_aca|teardown_aca) ", block, re.M)]
        dry = r"(scripts/(?:deploy_aca|smoke_aca|teardown_aca)(?: [\w=]+)*)(?! --dry-run)( *#.*)?$"
        return re.sub(dry, r"\1 --dry-run\2", "".join(ours), flags=re.M)

    def follow(self, page: str) -> Run:
        shutil.copy(self.programs / "az", self.programs / "curl")
        (self.repository / "scripts/page").write_text("set -euo pipefail\n" + self.commands(page))
        return self.run_script("page", settings={"HOME": str(self.folder)}, answers=self.ANSWERS)

    def groups(self, run: Run) -> set[str]:
        """Those that any command names, called or only shown."""
        found = self.GROUPS.findall("\n".join([*run.lines, *run.shown]))
        return {name for names in found for name in names if name}

    def test_every_command_finds_what_it_needs(self):
        page = (ROOT / "docs/deployment.md").read_text()
        run = self.follow(self.PROD.sub("", page))
        self.assertEqual(run.code, 0, run.text)
        self.assertEqual(self.groups(run), {"prynai-dev"})
        self.assertFalse([line for line in run.shown if "prod.bicepparam" in line])
        self.assertFalse(run.called("docker"), "a script did more than say what it would do")
        for wanted in ("az login", "az containerapp logs show", "az containerapp revision restart", "az rest"):
            self.assertTrue(run.called(wanted), wanted)
        for wanted in ("aca/dev.bicepparam", "workerMinReplicas=1", "az group delete"):
            self.assertTrue([line for line in run.shown if wanted in line], wanted)

    def test_production_takes_nothing_of_the_other_shell(self):
        run = self.follow(self.PROD.search((ROOT / "docs/deployment.md").read_text())[0])
        self.assertEqual(run.code, 0, run.text)
        self.assertEqual(self.groups(run), {"prynai"})
        self.assertTrue([line for line in run.shown if "aca/prod.bicepparam" in line])

    def test_the_wrong_group_is_found(self):
        page = (ROOT / "docs/deployment.md").read_text()
        prod, dev = self.PROD.search(page)[0], self.PROD.sub("", page)
        heads = [found.end() for found in re.finditer("export RESOURCE_GROUP=prynai(?=-dev$)", dev, re.M)]
        self.assertGreater(len(heads), 3)
        for head in heads:
            self.assertIn("prynai", self.groups(self.follow(dev[:head] + dev[head + len("-dev") :])))
        for name in ("LOCATION=", "API_CLIENT_ID=", "ENVELOPE_KEY=", "STATE_KEY="):
            self.assertNotEqual(self.follow(prod.replace(name, "OTHER=")).code, 0, name)

    def test_it_deploys_only_when_the_apps_have_stopped(self):
        run = self.follow(self.PROD.sub("", (ROOT / "docs/deployment.md").read_text()))
        first = run.position("az rest --method post --url")
        asked = [at for at, line in enumerate(run.lines) if "properties.runningStatus" in line or "length(@)" in line]
        started = [at for at, line in enumerate(run.lines) if "/start?" in line]
        self.assertEqual(len(asked), 4, run.lines)
        self.assertTrue(first < min(asked) and max(asked) < min(started), run.lines)

    def test_a_variable_that_the_page_forgets_is_found(self):
        page = (ROOT / "docs/deployment.md").read_text()
        for forgotten in ("export API_CLIENT_ID=", "export SUBSCRIPTION=", "REGISTRY=$(az", "export URL="):
            self.assertIn(forgotten, page)
            run = self.follow(page.replace(forgotten, "OTHER="))
            self.assertNotEqual(run.code, 0, forgotten)


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
            run = self.run_script("deploy_aca", "dev", "--dry-run", settings={**DEPLOY, "ENVELOPE_KEY": secret})
            self.assertEqual(run.code, 1)
            self.assertIn("ENVELOPE_KEY is too short", run.text)

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
        self.assertEqual(last.keys, [SECRET, STATE_SECRET])

    def test_secrets_are_in_no_command_and_on_no_screen(self):
        for arguments in (["--dry-run"], ["--yes"]):
            run = self.run_script("deploy_aca", "prod", *arguments, settings=DEPLOY, answers=NOTHING_THERE)
            self.assertEqual(run.code, 0, run.text)
            self.assertNotIn(SECRET, run.text)
            self.assertFalse([line for line in run.lines if SECRET in line or STATE_SECRET in line])

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
            self.assertTrue(run.called("az deployment group what-if"))
            self.assertFalse(run.called("az deployment group create"))
        # The registry is agreed to, the rest is not.
        run = self.run_script("deploy_aca", "dev", settings=DEPLOY, answers=NOTHING_THERE, typed="yes\nno\n")
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
        for arguments in (["--yes"], ["--dry-run"]):
            run = self.run_script("deploy_aca", "dev", *arguments, settings=DEPLOY, answers=NOTHING_THERE)
            self.assertEqual(run.code, 1)
            self.assertIn("in no commit", run.text)
            self.assertIn("aca/main.bicep", run.text)
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
        run = self.run_script("deploy_aca", "prod", settings=DEPLOY, answers=answers, typed="yes\nno\n")
        self.assertEqual(run.code, 1)
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
    DEPLOYED = [("outputs.endpoint.value", "https://gateway.example/mcp")]

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


unittest.main()
