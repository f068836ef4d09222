#!/usr/bin/env python3
"""Follows docs/deployment.md from its first line to its last, with programs in the place of az and docker: neither
Azure nor a sign-in is here. scripts/check runs it. Needs Python 3.10, bash, git and openssl."""

import json
import re
import shutil
import unittest
import uuid

from azure_stand_in import ROOT, Run, Scripts


class Page(Scripts):
    """docs/deployment.md, as somebody follows it from its first line to its last, with the commands of
    docs/security.md where it sends the reader there: once in the shell of dev, without step 8, and once in that of
    production, which begins with step 8 and goes on with all that follows."""

    STEP_1 = "### 1. Sign in"
    STEP_2 = "### 2. Register the API"
    PROD = re.compile(r"^### 8\. .*?(?=^###? )", re.M | re.S)
    GROUPS = re.compile(r"--resource-group (\S+)|az group \w+ .*--name (\S+)|resource[gG]roups/([^/ ]+)")
    # The scripts say only what they would do.
    DRY = re.compile(r"(scripts/(?:deploy|smoke|teardown)_aca\b(?!.*--dry-run).*?)( *#.*)?$", re.M)

    ANSWERS = (
        ("az account show", "sub"),
        ("az ad app create", "registered"),
        ("credential reset", "password"),
        ("appRoles", "role"),
        ("az acr list", "registry1"),
        ("properties.runningStatus", "Stopped"),
        ("length(@)", "0"),
        ("--query [].name", "revision1"),
        ("curl -si", "www-authenticate: Bearer"),
        ("prices.azure.com", '{"Items": []}'),
    )

    def setUp(self):
        super().setUp()
        self.page = (ROOT / "docs/deployment.md").read_text()
        security = (ROOT / "docs/security.md").read_text()
        section = r"^### {}\. .*?(?=^###? )"
        self.register, self.services = (re.search(section.format(n), security, re.M | re.S)[0] for n in (1, 3))

    def dev(self) -> str:
        page = self.PROD.sub("", self.page)
        page = page.replace(self.STEP_2, f"{self.STEP_2}\n{self.register}")
        return page.replace("```sh\nscripts/smoke_aca\n", f"{self.services}\n```sh\nscripts/smoke_aca\n")

    def prod(self) -> str:
        step = self.PROD.search(self.page)
        first, *others = step[0].split("\n```\n", 1)
        after = self.page[step.end() :]
        return f"{first}\n```\n{self.register}\n{others[0]}\n{after}"

    def commands(self, page: str) -> str:
        """Those that concern Azure."""
        blocks = re.findall(r"^ *```sh\n(.*?)^ *```", page, re.M | re.S)
        wanted = r"^export |\b(apps|az|curl|deploy_aca|ops_aca|smoke_aca|teardown_aca)\b"
        ours = [block for block in blocks if re.search(wanted, block, re.M)]
        return self.DRY.sub(r"\1 --dry-run\2", "".join(ours).replace("scripts/ops_aca", "scripts/ops_aca --dry-run"))

    def asks_before_something_else(self, page: str) -> list[str]:
        """Who pastes such a block answers the question of the script with the next line of it."""
        found = re.findall(r"^ *scripts/(?:deploy|teardown)_aca\b(?!.*(?:--dry-run|--yes)).*\n(?! *```)", page, re.M)
        return [line.strip() for line in found]

    def follow(self, page: str, then: str = "") -> Run:
        shutil.copy(self.programs / "az", self.programs / "curl")
        return self.run_page(f"{self.commands(page)}\n{then}", {"HOME": str(self.folder)}, self.ANSWERS)

    def run_page(self, commands: str, settings: dict[str, str], answers=()) -> Run:
        (self.repository / "scripts/page").write_text(f"set -euo pipefail\n{commands}")
        # scripts/deploy_aca refuses files that are in no commit.
        (self.repository / ".git/info/exclude").write_text("scripts/page\n")
        return self.run_script("page", settings=settings, answers=answers)

    def groups(self, run: Run) -> set[str]:
        """Those that any command names, called or only shown; the reader's own network is in another one."""
        found = self.GROUPS.findall("\n".join([*run.lines, *run.shown]))
        return {name for names in found for name in names if name and name != "…"}

    def test_every_command_finds_what_it_needs(self):
        run = self.follow(self.dev())
        self.assertEqual(run.code, 0, run.text)
        self.assertEqual(self.groups(run), {"prynai-dev"})
        self.assertFalse([line for line in run.shown if "prod.bicepparam" in line])
        built = [line.split(" ")[1] for line in run.lines if line.startswith("docker")]
        self.assertEqual(built, ["build", "push"], "a script did more than say what it would do")
        for wanted in (
            "az login",
            "az ad app permission admin-consent --id registered",
            "az containerapp logs show",
            "az rest",
            "az resource delete",
            "az network private-dns link vnet create",
        ):
            self.assertTrue(run.called(wanted), wanted)
        self.assertEqual(self.asks_before_something_else(self.dev()), [])
        for wanted in (
            "aca/dev.bicepparam",
            "workerMinReplicas=1",
            "workerImage=registry1.azurecr.io/my-worker:1 workerCommand=my-worker",
            "--scope api://registered/.default",
            "--name prynai-dev-ops",
            "az group delete",
        ):
            self.assertTrue([line for line in run.shown if wanted in line], wanted)

    def test_production_takes_nothing_of_the_other_shell(self):
        run = self.follow(self.prod())
        self.assertEqual(run.code, 0, run.text)
        self.assertEqual(self.groups(run), {"prynai"})
        self.assertTrue([line for line in run.shown if "aca/prod.bicepparam" in line])
        self.assertFalse([line for line in [*run.shown, *run.lines] if "dev" in line.split("--name ")[-1]])
        for name in ("LOCATION=", "API_CLIENT_ID=", "ENVELOPE_KEY=", "STATE_KEY=", "VARIANT="):
            self.assertNotEqual(self.follow(self.prod().replace(name, "OTHER=", 1)).code, 0, name)

    def test_other_names_are_chosen_in_one_place(self):
        chosen = "RESOURCE_GROUP=prynai-dev NAME=prynai-dev"
        self.assertEqual(self.dev().count(chosen), 1)
        run = self.follow(self.dev().replace(chosen, "RESOURCE_GROUP=team NAME=fleet-1"))
        self.assertEqual(run.code, 0, run.text)
        self.assertEqual(self.groups(run), {"team"})
        self.assertFalse([line for line in [*run.shown, *run.lines] if "prynai-dev" in line])
        self.assertTrue(run.called("az containerapp logs show --subscription sub --resource-group team --name fleet-1-gateway"))

    def test_a_command_that_names_another_group_is_found(self):
        places = [found.span() for found in re.finditer(r'(?<=--resource-group )"\$RESOURCE_GROUP"', self.dev())]
        self.assertGreater(len(places), 8)
        for start, end in places[::4]:
            planted = self.dev()[:start] + "prynai" + self.dev()[end:]
            self.assertIn("prynai", self.groups(self.follow(planted)), self.dev()[start - 80 : end])

    def test_it_deploys_only_when_the_apps_have_stopped(self):
        run = self.follow(self.dev())
        stops = [at for at, line in enumerate(run.lines) if "/stop?" in line]
        asked = [at for at, line in enumerate(run.lines) if "properties.runningStatus" in line or "length(@)" in line]
        started = [at for at, line in enumerate(run.lines) if "/start?" in line and "containerApps" in line]
        self.assertEqual([len(stops), len(asked), len(started)], [2, 4, 2], run.lines)
        self.assertTrue(max(stops) < min(asked) and max(asked) < min(started), run.lines)

    def test_what_the_page_defines_does_what_it_says(self):
        run = self.follow(self.dev(), "apps stop gateway; stopped gateway")
        self.assertEqual(run.code, 0, run.text)
        self.assertEqual(len([line for line in run.lines if "/stop?" in line]), 3)

    def test_each_key_is_replaced_by_a_new_one_of_its_own(self):
        replaced = 'echo "keys: $ENVELOPE_KEY $STATE_KEY $TASK_KEY $first"'
        kept = '```sh\nexport first="$ENVELOPE_KEY $STATE_KEY $TASK_KEY"\n```\n### 4. Look'
        page = self.dev().replace("### 4. Look", kept, 1)
        (said,) = re.findall(r"keys: (.*)", self.follow(page, replaced).text)
        self.assertEqual(len(set(said.split())), 6, said)
        self.assertTrue(all(re.fullmatch("[0-9a-f]{64}", key) for key in said.split()), said)

    def test_a_line_that_would_answer_a_question_is_found(self):
        asks = 'scripts/deploy_aca "$VARIANT"\n'
        self.assertEqual(self.asks_before_something_else(self.page.replace(asks, f"{asks}restart\n", 1)), [asks.strip()])

    def test_a_variable_that_the_page_forgets_is_found(self):
        forgotten = ("API_CLIENT_ID=", "SUBSCRIPTION=", "URL=", "VARIANT=", "CLIENT_ID=", "CUSTOM_DOMAIN=")
        for place in [*(f"export {name}" for name in forgotten), "REGISTRY=$(az"]:
            self.assertIn(place, self.dev())
            run = self.follow(self.dev().replace(place, "OTHER="))
            self.assertNotEqual(run.code, 0, place)

    def test_the_registration_is_what_entra_id_takes(self):
        """The body of the one request, which the shell makes of variables."""
        (block,) = [block for block in re.findall(r"```sh\n(.*?)```", self.register, re.S) if "--body" in block]
        (self.programs / "az").write_text('#!/usr/bin/env bash\nif [ "$1" = rest ]; then cat; else echo registered; fi\n')
        run = self.run_page(block, {})
        self.assertEqual(run.code, 0, run.text)
        body = json.loads(run.text[: run.text.rindex("}") + 1])
        self.assertEqual(body["identifierUris"], ["api://registered"])
        (scope,), (role,) = body["api"]["oauth2PermissionScopes"], body["appRoles"]
        self.assertEqual((scope["value"], role["value"]), ("mcp.call", "Mcp.Call"))
        self.assertNotEqual(uuid.UUID(scope["id"]), uuid.UUID(role["id"]))


if __name__ == "__main__":
    unittest.main()
