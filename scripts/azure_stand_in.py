"""For the tests of what speaks to Azure: a repository of their own, and programs in the place of az and docker that
write down how they are called and answer from a table."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Bash, because it starts ten times as fast as Python. Words are separated by a character that is in none of them.
STAND_IN = r"""#!/usr/bin/env bash
line="${0##*/}"
for word in "$@"; do line="$line"$'\x1f'"$word"; done
printf '%s\x1e%s\x1e%s\x1e%s\x1e%s\n' "$line" "${IMAGE:-}" "${ENVELOPE_KEY:-}" "${STATE_KEY:-}" "${TASK_KEY:-}" \
  >>"$CALLS"
while IFS=$'\x1e' read -r part fails answer; do
  if [[ "${line//$'\x1f'/ }" = *"$part"* ]]; then
    [ "$fails" = no ] || exit 3
    printf '%b\n' "$answer"
    exit
  fi
done <"$ANSWERS"
"""

class Call:
    """One call of az or docker, and what it found in its environment."""

    def __init__(self, line: str, image: str, *keys: str):
        self.words = line.split("\x1f")
        self.image = image
        self.keys = list(keys)


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
        for script in ("deploy_aca", "facade_aca", "smoke_aca", "ops_aca", "teardown_aca", "azure.sh", "install.sh"):
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
