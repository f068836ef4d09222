"""Runs scripts/release in copies in which something does not fit. scripts/check runs it; needs Python 3.10 and git."""

import functools
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
CHANGES = """# Changelog

## [Unreleased]

## [0.1.0] - 2026-12-01

Wire: format 1.

### Added

- Everything.

## [0.0.9] - 2026-01-01

- Less.
"""
CHART = "deploy/helm/prynai-mcp/Chart.yaml"


class Release(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for name in ("scripts/release", "Cargo.toml", CHART, "LICENSE", "LICENSE-APACHE", "LICENSE-MIT", "README.md"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        (self.root / "CHANGELOG.md").write_text(CHANGES, encoding="utf-8")
        who = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "x"]):
            subprocess.run(["git", "-C", str(self.root), *command], check=True)

    def release(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, str(self.root / "scripts/release"), *arguments]
        env = {**os.environ, "PRYNAI_BIN_DIR": str(self.root / "built")}
        return subprocess.run(command, capture_output=True, text=True, env=env)

    def refused(self, said: str, *arguments: str) -> None:
        done = self.release(*arguments)
        self.assertNotEqual(0, done.returncode)
        self.assertIn(said, done.stderr)

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text(encoding="utf-8")
        self.assertIn(old, text)
        (self.root / name).write_text(text.replace(old, new), encoding="utf-8")

    def test_what_fits(self) -> None:
        self.assertEqual(0, self.release("check", "v0.1.0").returncode)
        self.assertEqual("Wire: format 1.\n\n### Added\n\n- Everything.\n", self.release("notes", "v0.1.0").stdout)

    def test_what_does_not(self) -> None:
        self.refused("no tag of a release", "check", "0.1.0")
        self.refused("no tag of a release", "check", "v0.1")
        self.refused("not 0.2.0", "check", "v0.2.0")
        self.refused("no section [9.9.9]", "notes", "v9.9.9")
        self.change(CHART, "appVersion: 0.1.0", "appVersion: 0.0.9")
        self.refused("appVersion of the chart", "check", "v0.1.0")

    def test_a_crate_that_asks_for_another_version(self) -> None:
        self.change("Cargo.toml", 'path = "standalone", version = "0.1.0"', 'path = "standalone", version = "0.0.9"')
        self.refused("ask each other for 0.0.9, 0.1.0", "check", "v0.1.0")

    def test_a_changelog_that_does_not_tell(self) -> None:
        self.change("CHANGELOG.md", "Wire: format 1.\n", "")
        self.refused("(Wire:)", "check", "v0.1.0")
        self.change("CHANGELOG.md", "[0.1.0] - 2026-12-01", "[0.1.0]")
        self.refused("no section [0.1.0] with a date", "check", "v0.1.0")

    def test_only_missing_crates_are_published(self) -> None:
        programs, index = self.root / "programs", self.root / "index"
        programs.mkdir()
        (programs / "cargo").write_text('#!/bin/sh\necho "cargo $*"\n', encoding="utf-8")
        (programs / "cargo").chmod(0o755)
        for crate, versions in {"prynai-old": ["0.0.1"], "prynai-there": ["0.0.1", "0.1.0"]}.items():
            file = index / crate[:2] / crate[2:4] / crate
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f'{{"name":"{crate}","vers":"{one}"}}\n' for one in versions), encoding="utf-8")

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(index)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        address = f"http://127.0.0.1:{server.server_port}"
        changed = {"PATH": f"{programs}:{os.environ['PATH']}", "PRYNAI_CRATES_INDEX": address}
        with mock.patch.dict(os.environ, changed):
            some = self.release("publish", "prynai-new", "prynai-old", "prynai-there")
            none = self.release("publish", "prynai-there")
        self.assertEqual(0, some.returncode, some.stderr)
        self.assertIn("cargo publish --locked --no-verify --package prynai-new --package prynai-old\n", some.stdout)
        self.assertEqual("0.1.0: 1 crates are there, 0 are missing\n", none.stdout)
        with mock.patch.dict(os.environ, {**changed, "PRYNAI_CRATES_INDEX": "http://127.0.0.1:1"}):
            self.refused("refused", "publish", "prynai-new")

    def test_archives(self) -> None:
        self.refused("lacks prynai-gateway", "pack", "x86_64-unknown-linux-gnu")
        (self.root / "built").mkdir()
        for name in ("prynai-gateway", "prynai-mcp", "prynai-ops", "prynai-worker"):
            (self.root / "built" / name).write_text(name, encoding="utf-8")
        files = self.root / "target/release-files"
        packed = []
        for _ in range(2):
            self.assertEqual(0, self.release("pack", "x86_64-unknown-linux-gnu").returncode)
            (archive,) = files.glob("*.tar.gz")
            packed.append(archive.read_bytes())
            archive.touch()
        self.assertEqual("prynai-mcp-0.1.0-x86_64-unknown-linux-gnu.tar.gz", archive.name)
        self.assertEqual(packed[0], packed[1], "the same programs give other bytes")
        with tarfile.open(archive) as opened:
            modes = {Path(entry.name).name: entry.mode for entry in opened}
        self.assertEqual((0o755, 0o644), (modes["prynai-worker"], modes["LICENSE-MIT"]))
        self.assertEqual(0, self.release("sums").returncode)
        wanted = f"{hashlib.sha256(packed[0]).hexdigest()}  {archive.name}\n"
        self.assertEqual(wanted, (files / "SHA256SUMS").read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
