"""The judge must not be deceived. Run by scripts/conformance before it relies on it."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

import judge

RUN = judge.Run("a run", "1.0.0", (), scenarios=2, successes=3)
PERFECT = {"ping": ["SUCCESS"], "tools-list": ["SUCCESS", "SUCCESS", "INFO"]}


class Judging(unittest.TestCase):
    def judged(self, found: dict[str, list[str]], exit_code: int = 0, excused: tuple[str, ...] = ()) -> judge.Verdict:
        with tempfile.TemporaryDirectory() as name:
            for scenario, statuses in found.items():
                folder = Path(name) / f"server-{scenario}-2026-07-28T12-00-00-000Z"
                folder.mkdir()
                checks = [{"id": f"check-{n}", "status": status} for n, status in enumerate(statuses)]
                (folder / "checks.json").write_text(json.dumps(checks))
            return judge.judge(RUN, Path(name), exit_code, set(excused))

    def test_a_perfect_run_has_no_problems(self) -> None:
        self.assertEqual(self.judged(PERFECT).problems, [])

    def test_whatever_is_less_is_a_problem(self) -> None:
        for found in (
            {},
            {"tools-list": ["SUCCESS"] * 3},
            {**PERFECT, "more": []},
            {**PERFECT, "ping": ["SUCCESS", "FAILURE"]},
            {**PERFECT, "ping": ["SUCCESS", "WARNING"]},
            {**PERFECT, "ping": ["SKIPPED"]},
            {**PERFECT, "ping": ["SUCCESS", "SUCCESS"]},
        ):
            with self.subTest(found):
                self.assertTrue(self.judged(found).problems)
        self.assertTrue(self.judged(PERFECT, exit_code=1).problems)

    def test_an_expected_failure_is_excused_and_must_fail(self) -> None:
        rest = {"tools-list": ["SUCCESS"] * 3}
        for statuses in (["SUCCESS", "FAILURE"], ["SUCCESS", "WARNING"], ["SUCCESS", "SKIPPED"], ["SKIPPED"], []):
            with self.subTest(statuses):
                self.assertEqual(self.judged({"ping": statuses, **rest}, 1, ("ping",)).problems, [])
        self.assertTrue(self.judged({"ping": ["SUCCESS"], **rest}, 0, ("ping",)).problems)

    def test_the_list_is_read(self) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("# why\nserver:\n  # - not-this\n  - one # for now\n  - two\n")
            file.flush()
            self.assertEqual(judge.expected_failures(Path(file.name)), {"one", "two"})


if __name__ == "__main__":
    unittest.main()
