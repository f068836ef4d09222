"""Measures the fleet beside its peers; scripts/bench builds what is needed and calls this.

    python run.py [--quick] [--page] [ROUNDS] [CASE…]

In each round every subject gets the same load, one after the other, and the next round begins with another one: what
else the machine does then slows all alike. Medians of the rounds are shown; a ratio is the median of the ratios within
the rounds. Results are kept in target/bench/results.json, and docs/performance.md is written from them when every case
has been measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "python")]

from cases import CASES, Case, Setting  # noqa: E402
from counters import cost, forget_peak_memory, machine, peak_memory_mib, snapshot  # noqa: E402
from load import first_answer, hops, open_loop, subscribers, task  # noqa: E402
from load.wrk import Load, WrongAnswers  # noqa: E402
from report import figures, page  # noqa: E402
from report.results import Results  # noqa: E402
from subjects import Subject, versions  # noqa: E402

ROOT = HERE.parents[1]
WARM_UP_SECONDS = 1
PAUSE_SECONDS = 0.3


@dataclass(frozen=True)
class Plan:
    """How often and how long, and where processes keep their files: on a disk, because one case is about that."""

    rounds: int
    seconds: int
    quick: bool
    folder: Path

    @contextlib.contextmanager
    def new_folder(self) -> Iterator[Path]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="run-", dir=self.folder, ignore_cleanup_errors=True) as name:
            yield Path(name)


def measure_case(case: Case, plan: Plan, keep: Callable[[str, str, list[dict], dict], None]) -> None:
    for setting in case.settings:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(plan.new_folder())
            ready = []
            for number, (name, start) in enumerate(case.subjects.items()):
                own = folder / str(number)
                own.mkdir()
                subject = stack.enter_context(start(own, case.era))
                load = prepared(subject, setting)
                with told_of(setting, name):
                    bytes_each = load.check()
                    load.measure(WARM_UP_SECONDS, bytes_each)
                ready.append((name, subject, load, bytes_each))
            for _, subject, _, _ in ready:
                forget_peak_memory(subject.processes.values())
            rounds: dict[str, list[dict]] = {name: [] for name in case.subjects}
            for number in range(plan.rounds):
                turn = number % len(ready)
                for name, subject, load, bytes_each in ready[turn:] + ready[:turn]:
                    with told_of(setting, name):
                        rounds[name].append(measure_once(subject, load, bytes_each, plan.seconds))
            for name, subject, load, _ in ready:
                memory = {part: peak_memory_mib(pid) for part, pid in subject.processes.items()}
                with told_of(setting, name):
                    load.check()
                keep(setting.name, name, rounds[name], memory)
                say(case, setting, name, rounds[name])


@contextlib.contextmanager
def told_of(setting: Setting, name: str) -> Iterator[None]:
    """Wrong answers end the run, with words that say whose they are."""
    try:
        yield
    except WrongAnswers as wrong:
        raise WrongAnswers(f"{setting.name}, {name}: {wrong}") from wrong


def prepared(subject: Subject, setting: Setting) -> Load:
    call = setting.call
    in_session = call.era == "legacy" and not call.whole_session
    sessions = tuple(subject.open_session() for _ in range(setting.connections)) if in_session else ()
    return Load(subject.url, setting.connections, call, sessions, subject.folder)


def measure_once(subject: Subject, load: Load, bytes_each: float, seconds: int) -> dict:
    # What the one before has left to do is done by then.
    time.sleep(PAUSE_SECONDS)
    with subject.redis() as redis:
        before = snapshot(subject.processes, redis)
        measured = load.measure(seconds, bytes_each)
        after = snapshot(subject.processes, redis)
    return {**measured, **cost(before, after, measured["calls"])}


def say(case: Case, setting: Setting, name: str, rounds: list[dict]) -> None:
    results = Results({"cases": {}})
    results.begin("x", {})
    results.add("x", "x", name, rounds, {})
    cpu = results.cpu("x", "x", name)
    parts = " + ".join(f"{part} {cost:.1f}" for part, cost in cpu.items())
    rate = results.median("x", "x", name, "per_second")
    commands = results.median("x", "x", name, "commands")
    redis = f", {commands:.2f} commands of Redis" if commands else ""
    print(
        f"  {case.name}, {setting.name}, {name}: {rate:,.0f}/s, CPU {sum(cpu.values()):.1f} µs ({parts}){redis}",
        flush=True,
    )


# --- what is not a load of wrk ---


def measure_first_answer(plan: Plan, keep: Callable[..., None]) -> None:
    rounds = first_answer.measure(3 if plan.quick else first_answer.STARTS)
    keep(first_answer.SETTING, "standalone", rounds, {})


def measure_subscribers(plan: Plan, keep: Callable[..., None]) -> None:
    count = 200 if plan.quick else subscribers.SUBSCRIBERS
    with plan.new_folder() as folder:
        keep(subscribers.SETTING, "split", subscribers.measure(folder, plan.rounds * 2, count), {})


def measure_hops(plan: Plan, keep: Callable[..., None]) -> None:
    with plan.new_folder() as folder:
        keep(hops.SETTING, "split", hops.measure(folder), {})


def measure_open_loop(plan: Plan, keep: Callable[..., None]) -> None:
    with plan.new_folder() as folder:
        seconds = 3 if plan.quick else 10
        for name, (rounds, memory) in open_loop.measure(folder, plan.rounds, seconds).items():
            keep(open_loop.SETTING, name, rounds, memory)


def measure_task(plan: Plan, keep: Callable[..., None]) -> None:
    with plan.new_folder() as folder:
        for name, rounds in task.measure(folder, plan.rounds, plan.seconds).items():
            keep(task.SETTING, name, rounds, {})


OTHERS = {
    "open-loop": measure_open_loop,
    "first-answer": measure_first_answer,
    "subscribers": measure_subscribers,
    "hops": measure_hops,
    "task": measure_task,
}


def main() -> None:
    known = [*(case.name for case in CASES), *OTHERS]
    arguments = parsed(known)
    folder = Path(os.environ.get("PRYNAI_BENCH_RESULTS") or ROOT / "target" / "bench").resolve()
    file = folder / ("quick.json" if arguments.quick else "results.json")
    kept = json.loads(file.read_text()) if file.exists() and (arguments.cases or arguments.page) else {"cases": {}}
    results = Results(kept)
    if not arguments.page:
        chosen = arguments.cases or known
        plan = Plan(arguments.rounds, 1 if arguments.quick else 3, arguments.quick, folder)
        print(", ".join(f"{name} {value}" for name, value in machine().items()), flush=True)
        for name in known:
            if name in chosen:
                measure(name, plan, results, file)
    print()
    print(figures.as_text(figures.judged(results)))
    missing = [name for name in known if name not in results.cases]
    if arguments.quick or missing:
        reason = "it was a quick run" if arguments.quick else f"not measured yet: {', '.join(missing)}"
        print(f"\ndocs/performance.md is as it was: {reason}")
    else:
        page.write(results, ROOT / "docs")
        print("\nWritten: docs/performance.md and its plots")


def measure(name: str, plan: Plan, results: Results, file: Path) -> None:
    began = time.time()
    print(f"{name}:", flush=True)
    about = {"commit": commit(), "rounds": plan.rounds, "seconds": plan.seconds}
    results.begin(name, {**about, "machine": machine(), "versions": versions()})

    def keep(setting: str, subject: str, rounds: list[dict], memory: dict[str, float]) -> None:
        results.add(name, setting, subject, rounds, memory)

    case = next((case for case in CASES if case.name == name), None)
    try:
        if case is None:
            OTHERS[name](plan, keep)
        else:
            measure_case(case, plan, keep)
    except WrongAnswers as wrong:
        sys.exit(f"{name}: wrong answers: {wrong}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results.data, indent=1))
    print(f"  {time.time() - began:.0f} s", flush=True)


def parsed(known: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures the fleet beside its peers.")
    parser.add_argument("--quick", action="store_true", help="one short round of everything, to see that it works")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page from the last results")
    parser.add_argument("words", nargs="*", metavar="ROUNDS | CASE", help=f"5 rounds; cases: {', '.join(known)}")
    arguments = parser.parse_intermixed_args()
    numbers = [word for word in arguments.words if word.isdigit()]
    arguments.cases = [word for word in arguments.words if not word.isdigit()]
    if len(numbers) > 1 or "0" in numbers:
        parser.error("say the number of rounds once, and at least 1")
    if unknown := [case for case in arguments.cases if case not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; cases are {', '.join(known)}")
    arguments.rounds = int(numbers[0]) if numbers else (1 if arguments.quick else 5)
    return arguments


def commit() -> str:
    """What is measured; with a mark if something but the pages differs from it."""
    found = git("rev-parse", "--short", "HEAD") or "unknown"
    return f"{found}-dirty" if git("status", "--porcelain", "--", ".", ":!docs") else found


def git(*words: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
