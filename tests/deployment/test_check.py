"""Each check can fail: every mutation below is a mistake that one of them must find. scripts/deployment runs this; it
takes half a minute."""

from __future__ import annotations

import re
import shutil
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path

import check
import containers
import required
import resource_types
import workflows

# File in aca/, what stands there, what is written instead, the variant in which it matters, and what must be said.
FILE = Path(__file__).with_name("mistakes.txt")


def mistakes(file: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """File, variant, what must be said, what stands there, what is written instead."""
    blocks = file.read_text(encoding="utf-8").split("\n\n")
    for block in blocks[1:]:
        head, *lines = block.strip("\n").split("\n")
        old = "\n".join(line[1:] for line in lines if line.startswith("-"))
        new = "\n".join(line[1:] for line in lines if line.startswith("+"))
        name, variant, said = head.split(" | ")
        yield name, variant, said, old, new


class Planted(unittest.TestCase):
    """Plants mistakes in a copy."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        for name in ("aca", "compose", "deploy", ".github", "scripts"):
            shutil.copytree(check.ROOT / name, self.root / name)
        (self.root / "docs").symlink_to(check.ROOT / "docs")
        for name in ("compose.yaml", "Dockerfile"):
            shutil.copy(check.ROOT / name, self.root / name)

    def plant(self, name: str, old: str, new: str) -> str:
        """Puts the mistake in, and gives the text as it was."""
        file = self.root / name
        text = file.read_text(encoding="utf-8")
        self.assertTrue(old in text, f"{name} has changed: write the mistake anew")
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
        return text

    def test_mistakes_in_bicep(self) -> None:
        for name, variant, said, old, new in mistakes(FILE):
            with self.subTest(file=name, old=old, new=new):
                text = self.plant(f"aca/{name}", old, new)
                try:
                    found = "\n".join(check.check_variants(self.root, {variant: check.VARIANTS[variant]}, set()))
                finally:
                    (self.root / "aca" / name).write_text(text, encoding="utf-8")
                self.assertIn(said, found)

    def test_parameters_that_contradict_each_other(self) -> None:
        for changes, said in [
            ({"internalOnly": True}, "internalOnly needs privateNetwork"),
            ({"zoneRedundant": True}, "zoneRedundant needs privateNetwork"),
            ({"privateNetwork": True, "internalOnly": True, "front": "frontDoor"}, "and no front"),
            ({"front": "apiManagement"}, "needs publisherEmail"),
            (
                {"privateNetwork": True, "internalOnly": True, "customDomain": "a.b"},
                "with internalOnly needs certificateUrl",
            ),
            ({"policy": "#" * 25001}, "policy is against @maxLength"),
            ({"gatewayEnv": [{"name": "PRYNAI_AUTH", "value": "none"}]}, "gatewayEnv sets again: PRYNAI_AUTH"),
            ({"gatewayEnv": [{"name": "PRYNAI_AUTHS", "value": "none"}]}, "has no setting PRYNAI_AUTHS"),
            ({"workerEnv": [{"name": "PRYNAI_REDIS_URL", "value": "x"}]}, "workerEnv sets again: PRYNAI_REDIS_URL"),
            ({"front": "apiManagement", "publisherEmail": "a@b.c", "customDomain": "a.b"}, "needs certificateUrl"),
        ]:
            with self.subTest(changes=changes):
                found = "\n".join(check.check_variants(check.ROOT, {"changed": ("dev", changes)}, set()))
                self.assertIn(said, found)

    def test_what_the_page_says_to_write_into_the_parameter_file(self) -> None:
        page = (check.ROOT / "docs/deployment.md").read_text(encoding="utf-8")
        rows = re.search(r"^\| parameter \| when \|\n.*\n((?:\|.*\n)+)", page, re.M)[1].splitlines()
        self.assertGreater(len(rows), 5)
        file = self.root / "aca/prod.bicepparam"
        text = file.read_text(encoding="utf-8")
        variant = {"as the page says": ("prod", {})}
        for row in rows:
            with self.subTest(row=row):
                lines = [f"param {given}\n" for given in re.findall(r"`(\w+ = [^`]+)`", row.split(" | ")[0])]
                self.assertTrue(lines)
                file.write_text(text + "\n" + "".join(lines), encoding="utf-8")
                if "loadTextContent" in row:
                    self.assertIn("there is no file", "\n".join(check.check_variants(self.root, variant, set())))
                    (self.root / "aca/policy.toml").write_text('[[allow]]\ntools = ["echo"]\n', encoding="utf-8")
                self.assertEqual(list(check.check_variants(self.root, variant, set())), [])

    def test_a_module_that_nobody_uses(self) -> None:
        (self.root / "aca/modules/lost.bicep").write_text("", encoding="utf-8")
        self.assertIn("no variant uses it", "\n".join(check.check_bicep(self.root)))

    def test_every_demanded_value(self) -> None:
        deployment = check.work_out(check.ROOT, *check.VARIANTS["prod behind Front Door"])
        for _, kind, path, _ in required.REQUIRED:
            with self.subTest(kind=kind, path=path):
                resource = next(one for one in deployment.resources if one.type == kind and not one.existing)
                at = resource.body
                for step in path.split(".")[:-1]:
                    at = at[step]
                kept, at[path.split(".")[-1]] = at[path.split(".")[-1]], "wrong"
                found = list(
                    required.Requirements(
                        check.ROOT,
                        True,
                        deployment,
                        [check.VARIABLES["ENVELOPE_KEY"]],
                        (check.VARIABLES["IMAGE"], "prynai-worker"),
                    ).faults()
                )
                at[path.split(".")[-1]] = kept
                self.assertEqual(1, len(found), found)

    def test_every_library_describes_its_version(self) -> None:
        for kind, (name, model) in resource_types.MODELS.items():
            with self.subTest(kind=kind):
                described = resource_types.library(name)
                self.assertTrue(described.describes(kind.split("@")[1]))
                self.assertFalse(described.describes("2020-13-01"))
                self.assertGreater(len(described.shape(model).properties), 0)

    def test_compose(self) -> None:
        self.plant("compose.yaml", "    restart: unless-stopped", "    restarts: unless-stopped")
        self.assertIn("restarts", "\n".join(check.check_compose(self.root)))

    def test_what_compose_would_take_and_we_do_not(self) -> None:
        for name, old, new, said in [
            ("compose.yaml", "- 127.0.0.1:8000:8000", "- 8000:8000", "from other machines"),
            ("compose.yaml", "  read_only: true", "  read_only: false", "gateway-1: its file system"),
            ("compose.yaml", "cap_drop: [ALL]", "cap_drop: [CHOWN]", "drop all rights"),
            ("compose.yaml", "target: worker", "target: workers", "no target workers"),
            ("compose.yaml", "prynai-gateway, health", "curl, localhost", "must be prynai-gateway health"),
            ("compose.yaml", "stop_grace_period: 30s", "stop_grace_period: 10s", "lengthen stop_grace_period"),
            ("compose.yaml", ", noeviction", ", allkeys-lru", "noeviction"),
            ("compose.yaml", "PRYNAI_ENVELOPE_KEY:", "PRYNAI_ENVELOPE_KEY: abc", "have no default"),
            ("compose.yaml", "PRYNAI_LISTEN: ", "PRYNAI_LISTENS: ", "no setting PRYNAI_LISTENS"),
            ("compose/auth.yaml", "- 127.0.0.1:8400", "- 8400", "auth.yaml: issuer: 8400"),
            ("compose/facade.yaml", "${FACADE_CLIENT_SECRET:?set it as compose/facade.yaml says}", "abc", "no default"),
            ("compose/facade.yaml", "PRYNAI_FACADE_CLIENT_ID", "PRYNAI_FACADE_ID", "no setting PRYNAI_FACADE_ID"),
            ("compose/tls.yaml", "  gateway-2: ", "  gateway-3: ", "gateway-3 is a service of no other file"),
        ]:
            with self.subTest(file=name, new=new):
                text = self.plant(name, old, new)
                found = "\n".join(containers.compose_faults(self.root))
                (self.root / name).write_text(text, encoding="utf-8")
                self.assertIn(said, found)

    def test_a_workflow_that_github_refuses(self) -> None:
        self.plant(".github/workflows/ci.yml", "runs-on: ubuntu-latest", "run-on: ubuntu-latest")
        self.assertIn("run-on", "\n".join(check.check_workflows(self.root)))

    def test_a_workflow_that_means_nothing(self) -> None:
        self.plant(".github/workflows/ci.yml", "${{ matrix.os }}", "${{ matrix.system }}")
        self.assertIn('"system" is not defined', "\n".join(check.check_workflows(self.root)))

    def test_a_workflow_that_lets_others_in(self) -> None:
        checkout = "3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
        for part, name, old, new, said in [
            (workflows.pins, "ci.yml", f"checkout@{checkout}", "checkout@v7", "must name a commit"),
            (workflows.pins, "ci.yml", checkout, checkout.split(" ")[0], "its release in a comment"),
            (workflows.audit, "ci.yml", "contents: read", "contents: write", "excessive-permissions"),
            (workflows.audit, "ci.yml", "persist-credentials: false", "fetch-depth: 1", "artipacked"),
            (workflows.audit, "ci.yml", "  pull_request:", "  pull_request_target:", "dangerous-triggers"),
            (workflows.shell, "release.yml", 'check "$TAG"', "check ${{ github.ref_name }}", "from its environment"),
            (workflows.shell, "release.yml", 'check "$TAG"', "check $TAG", "SC2086"),
        ]:
            with self.subTest(new=new):
                text = self.plant(f".github/workflows/{name}", old, new)
                found = "\n".join(part(self.root))
                (self.root / ".github/workflows" / name).write_text(text, encoding="utf-8")
                self.assertIn(said, found)

    def test_a_workflow_of_the_other_ending_and_an_action_are_read(self) -> None:
        text = (self.root / ".github/workflows/ci.yml").read_text(encoding="utf-8")
        other = self.root / ".github/workflows/other.yaml"
        other.write_text(text.replace("runs-on: ubuntu-latest", "run-on: ubuntu-latest", 1), encoding="utf-8")
        self.assertIn("other.yaml", "\n".join(check.check_workflows(self.root)))
        other.unlink()
        action = self.root / ".github/actions/own/action.yml"
        action.parent.mkdir(parents=True)
        for planted, said in [
            ("    - uses: actions/checkout@v7\n", "must name a commit"),
            ("    - run: echo $unquoted\n      shell: bash\n", "SC2086"),
            ("    - run: echo ${{ inputs.x }}\n      shell: bash\n", "from its environment"),
            ("    - run: echo\n      shel: bash\n", "shel"),
        ]:
            with self.subTest(planted=planted):
                head = "name: own\ndescription: own\nruns:\n  using: composite\n  steps:\n"
                action.write_text(head + planted, encoding="utf-8")
                self.assertIn(said, "\n".join(check.check_workflows(self.root)))

    def test_images_that_are_not_built(self) -> None:
        for name, old, new, said in [
            (".github/workflows/ci.yml", "for target in gateway", "for target in gate", "has no stage gate"),
            (".github/workflows/release.yml", "target: [gateway, worker,", "target: [gateway,", "the image of worker"),
            ("Dockerfile", " AS gateway\n", " AS entrance\n", "has no stage gateway"),
        ]:
            with self.subTest(new=new):
                text = self.plant(name, old, new)
                found = "\n".join(workflows.images(self.root))
                (self.root / name).write_text(text, encoding="utf-8")
                self.assertIn(said, found)

    def test_dockerfile(self) -> None:
        self.plant("Dockerfile", "WORKDIR /src", "WORKDIR src")
        self.assertIn("DL3000", "\n".join(check.check_images(self.root)))

    def test_what_hadolint_would_take_and_we_do_not(self) -> None:
        for old, new, said in [
            ("USER 65532:65532", "USER root", "a number other than 0"),
            ("FROM scratch AS base", "FROM debian:trixie-slim AS base", "begin from scratch"),
            ("FROM base AS worker", "FROM debian:trixie-slim AS worker", "worker must begin from base"),
            ('ENTRYPOINT ["prynai-ops"]', "ENTRYPOINT prynai-ops", "start prynai-ops"),
            ("EXPOSE 8400\n", "EXPOSE 8400\nUSER 1:1\n", "issuer must leave user"),
            ("ENV PRYNAI_ADMIN_LISTEN", "ENV PRYNAI_ADMIN_TOKEN", "a layer keeps"),
            ("auditable build --locked", "auditable build", "must follow the lock file"),
            ('LABEL org.opencontainers.image.title="prynai-mcp"', "LABEL a=b", "must say its title"),
        ]:
            with self.subTest(new=new):
                text = self.plant("Dockerfile", old, new)
                found = "\n".join(containers.image_faults(self.root))
                (self.root / "Dockerfile").write_text(text, encoding="utf-8")
                self.assertIn(said, found)

    def test_shell(self) -> None:
        (self.root / "scripts/planted").write_text('#!/usr/bin/env bash\ncd $1\necho "$unused"\n', encoding="utf-8")
        self.assertIn("SC2086", "\n".join(check.check_shell(self.root)))

    def test_a_check_without_files(self) -> None:
        (self.root / "Dockerfile").unlink()
        self.assertIn("nothing to check", "\n".join(check.check_images(self.root)))


if __name__ == "__main__":
    unittest.main()
