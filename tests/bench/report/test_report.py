"""The report must not be deceived. Run by scripts/check."""

from __future__ import annotations

import json
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "python")]

from cases import CASES  # noqa: E402
from load import hops, task  # noqa: E402
from report import figures, page, plots  # noqa: E402
from report.results import Results  # noqa: E402

ABOUT = {
    "commit": "abc1234",
    "rounds": 3,
    "seconds": 3,
    "versions": {"rmcp": "3", "FastMCP": "4", "Redis": "7"},
    "machine": {"cores": 2, "cpu": "a CPU", "memory_gib": 8, "kernel": "Linux 6"},
}
GOOD, BAD = 1, 3


def one_round(rate: float, cpu: dict[str, float], p50: float = 100, p99: float = 200) -> dict:
    names = {"xadd": 1.0, "publish": 0.5}
    return {
        "calls": rate,
        "per_second": rate,
        "p50_us": p50,
        "p90_us": p50,
        "p99_us": p99,
        "max_us": p99,
        "cpu_us": cpu,
        "commands": 4.7 if "redis" in cpu else 0,
        "commands_by_name": names,
        "redis_bytes": 2000,
    }


def measured(factor: float) -> Results:
    """A run in which everything of ours costs `factor` times what is allowed or better."""
    results = Results({"cases": {}})
    parts = {"gateway": 30 * factor, "redis": 15 * factor, "worker": 20 * factor}
    # The legacy call is held against the modern one of the same run, so it is scaled once more.
    for case, more in (("modern", 1.0), ("legacy", factor), ("session", factor), ("list", 1.0)):
        results.begin(case, ABOUT)
        for setting in (figures.C1, figures.C32, figures.C64, "256 connections"):
            cpu = {name: cost * more for name, cost in parts.items()}
            split = one_round(9_000 / factor, cpu, 150 * factor**2, 400 * factor**2)
            split["commands"] *= factor
            results.add(case, setting, "rmcp", [one_round(10_000, {"rmcp": 40})] * 3, {"rmcp": 20})
            results.add(case, setting, "fastmcp", [one_round(300, {"fastmcp": 3000})] * 3, {"fastmcp": 90})
            results.add(case, setting, "split", [split] * 3, {"gateway": 20, "redis": 10, "worker": 20})
            alone = one_round(14_000 / factor, {"standalone": 28 * factor})
            results.add(case, setting, "standalone", [alone] * 3, {"standalone": 30})
    if factor > 1:
        for setting in results.settings("legacy").values():
            setting["rmcp"]["rounds"] = [one_round(20_000, {"rmcp": 40})] * 3
    else:
        for setting in results.settings("legacy").values():
            setting["rmcp"]["rounds"] = [one_round(8_000, {"rmcp": 40})] * 3
    results.begin("progress", ABOUT)
    results.add("progress", figures.C64, "split", [one_round(7_000 / factor, parts)], {})
    results.begin("durability", ABOUT)
    results.add("durability", figures.C32, "split", [one_round(10_000, parts)], {})
    results.add("durability", figures.C32, figures.WITH_FILE, [one_round(9_000 / factor, parts)], {})
    results.begin("telemetry", ABOUT)
    results.add("telemetry", figures.C32, "split", [one_round(10_000, parts)], {})
    silent = {"gateway": 30, "redis": 15, "worker": 20}
    results.add("telemetry", figures.C32, figures.SILENT, [one_round(10_000, silent)], {})
    results.begin("open-loop", ABOUT)
    open_loop = [one_round(3_000, parts, 400 * factor, 1_000 * factor)]
    for subject in ("rmcp", "split", "standalone"):
        results.add("open-loop", figures.OPEN, subject, open_loop, {})
    results.begin("subscribers", ABOUT)
    results.add("subscribers", figures.SUBSCRIBERS, "split", [{"last_ms": 80 * factor}], {})
    results.begin("hops", ABOUT)
    results.add("hops", figures.HOPS, "split", [{"hops": 3 * factor, "sequence": "xadd (publish)"}], {})
    results.begin("task", ABOUT)
    results.add("task", task.SETTING, task.PING, [one_round(10_000, {"gateway": 30})], {})
    asked = {**one_round(10_000, {"gateway": 33 * factor}), "commands_by_name": {"evalsha": factor}}
    results.add("task", task.SETTING, task.TASK, [asked], {})
    results.begin("first-answer", ABOUT)
    results.add("first-answer", figures.FIRST_ANSWER, "standalone", [{"first_answer_ms": 40 * factor}], {})
    return results


class Verdicts(unittest.TestCase):
    def test_all_is_held_by_a_run_that_is_good_enough(self) -> None:
        self.assertEqual({line.verdict for line in figures.judged(measured(GOOD))}, {figures.HELD})

    def test_every_goal_can_be_missed(self) -> None:
        lines = figures.judged(measured(BAD))
        self.assertEqual([line for line in lines if line.verdict != figures.MISSED], [])

    def test_what_was_not_measured_is_not_held(self) -> None:
        self.assertEqual({line.verdict for line in figures.judged(Results({"cases": {}}))}, {figures.UNKNOWN})


class Settings(unittest.TestCase):
    def test_what_goals_are_about_is_measured(self) -> None:
        settings = {case.name: {setting.name for setting in case.settings} for case in CASES}
        self.assertLessEqual({figures.C1, figures.C32, figures.C64}, settings["modern"])
        self.assertIn(figures.C64, settings["progress"])
        for case in ("legacy", "session", "list", "durability", "telemetry"):
            self.assertIn(figures.C32, settings[case])
        subjects = {case.name: case.subjects for case in CASES}
        self.assertIn(figures.WITH_FILE, subjects["durability"])
        self.assertIn(figures.SILENT, subjects["telemetry"])


class Waiting(unittest.TestCase):
    """One call as MONITOR tells it: 51936 is the gateway's connection, 51934 the one that claims."""

    LINES = (
        '+1.000100 [0 127.0.0.1:51936] "XADD" "queue"',
        '+1.000200 [0 127.0.0.1:51934] "ZCARD" "cancelled"',
        '+1.000300 [0 127.0.0.1:51934] "XREADGROUP" "GROUP"',
        '+1.000400 [0 127.0.0.1:51906] "EVALSHA" "finish"',
        '+1.000410 [0 lua] "PUBLISH" "gateway"',
        '+1.000500 [0 127.0.0.1:51936] "EVALSHA" "release"',
    )

    def test_a_call_waits_for_its_entry_its_claim_and_its_end(self) -> None:
        told = hops.told(list(self.LINES))
        self.assertEqual(told["hops"], 3)
        self.assertEqual(told["sequence"], "xadd zcard xreadgroup evalsha (publish) evalsha")

    def test_one_more_command_on_the_way_counts_unless_it_was_sent_at_once(self) -> None:
        lines = list(self.LINES)
        lines.insert(3, '+1.000350 [0 127.0.0.1:51906] "GET" "x"')
        self.assertEqual(hops.told(lines)["hops"], 4)
        lines[3] = '+1.000395 [0 127.0.0.1:51906] "GET" "x"'
        self.assertEqual(hops.told(lines)["hops"], 3)


class Medians(unittest.TestCase):
    def test_a_ratio_is_that_of_the_same_round(self) -> None:
        results = Results({"cases": {}})
        results.begin("modern", ABOUT)
        # The machine was slower from round to round, which the ratio does not see.
        for subject, rates in (("split", (50, 30, 10)), ("rmcp", (100, 60, 20))):
            results.add("modern", "x", subject, [{"per_second": rate} for rate in rates], {})
        self.assertEqual(results.ratio("modern", "x", "split", "rmcp"), 0.5)
        self.assertEqual(results.median("modern", "x", "rmcp", "per_second"), 60)
        self.assertIsNone(results.ratio("modern", "x", "split", "fastmcp"))


class Pages(unittest.TestCase):
    def test_only_what_stands_between_the_markers_changes(self) -> None:
        written = page.replaced(f"before\n{page.BEGIN}\nold\n{page.END}\nbehind", "new")
        self.assertEqual(written, f"before\n{page.BEGIN}\n\nnew\n\n{page.END}\nbehind")
        with self.assertRaises(AssertionError):
            page.replaced("a page without markers", "new")

    def test_the_page_has_every_goal_and_its_lines_are_narrow(self) -> None:
        text = page.sections(measured(GOOD))
        for goal in figures.GOALS:
            self.assertIn(f"| {goal.case} | {goal.goal} |", text)
        for line in text.splitlines():
            wide = line.startswith("|") or "![" in line
            self.assertTrue(wide or len(line) <= 120, line)
            self.assertLessEqual(max(map(len, line.split("|"))), 150, line)

    def test_results_survive_being_written_down(self) -> None:
        results = measured(GOOD)
        again = Results(json.loads(json.dumps(results.data)))
        self.assertEqual(page.sections(again), page.sections(results))


class Plots(unittest.TestCase):
    def test_plots_are_pictures_that_name_what_they_show(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            plots.write(measured(GOOD), Path(name))
            for file in ("throughput.svg", "cpu.svg", "latency.svg"):
                text = (Path(name) / file).read_text()
                ElementTree.fromstring(text)
                self.assertIn("standalone", text)
                self.assertIn("prefers-color-scheme: dark", text)
                self.assertNotIn("nan", text)


if __name__ == "__main__":
    unittest.main()
