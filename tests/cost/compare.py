#!/usr/bin/env python3
"""Compares what a request costs with the committed baseline; scripts/cost says how and when.

  compare.py PROGRAM [--accept] [CASE …]

Needs Python 3.10, valgrind and redis-server.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BASELINE = Path(__file__).with_name("baseline.json")
PROFILES = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "cost"

# So many requests are counted in each case, after as many that warm up. Callgrind is slow, and its counts vary little;
# it is too slow for the time limits of a fleet with Redis, or of a gateway that fetches the keys of an issuer. Of these
# only the allocations are counted.
REQUESTS = 100
REQUESTS_UNDER_CALLGRIND = 40
# The part of the baseline by which a figure may differ from it. Instructions: runs on a busy machine differ by 2 % at
# most. Bytes: the record of a call has how long it took, which has a digit more on a slow machine. Allocations are the
# same in every run.
TOLERANCES = {"allocations": 0, "bytes": 0.0005, "instructions": 0.05}
PATIENCE_S = 600

# Cases that cost the same, whatever the baseline says: the façade is not on the way of a call.
SAME = {"facade-call": "token-call"}

# The program calls it where the counted requests begin, and where they end (`mark` in src/measure.rs).
MARK = "getppid"

WHAT_TO_DO = f"""\
A request costs more than before. Find out why; `callgrind_annotate {PROFILES}/CASE.out` shows where instructions go.
If the cost is meant: `scripts/cost --accept` writes the baseline, which goes into the same commit, with its reason."""

Figures = dict[str, dict[str, int]]


def environment() -> dict[str, str]:
    """Every setting is at its default. libc copies without `rep movsb`, of which valgrind would count every byte."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PRYNAI_", "RUST_"))}
    return kept | {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-ERMS,-FSRM"}


def run(command: list[str]) -> Figures:
    """What the program says of each case."""
    done = subprocess.run(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S
    )
    if done.returncode != 0:
        sys.exit(f"scripts/cost: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    counted = [json.loads(line) for line in done.stderr.splitlines() if line.startswith('{"case":')]
    return {figures.pop("case"): figures for figures in counted}


def instructions(program: str, part: str, cases: list[str]) -> Figures:
    """What callgrind counts in these cases, which are of one part of the fleet."""
    out = PROFILES / f"{part}.callgrind"
    callgrind = ["valgrind", "--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={out}"]
    quiet = f"--log-file={PROFILES / part}.log"
    run([*callgrind, quiet, program, *cases, f"--requests={REQUESTS_UNDER_CALLGRIND}"])
    # The first profile is of what came before the first case, the second of this case, and so on in turn.
    profiles = len(list(PROFILES.glob(f"{part}.callgrind.*")))
    if profiles != 2 * len(cases):
        sys.exit(f"scripts/cost: callgrind saw {profiles} calls of {MARK}, instead of {2 * len(cases)}")
    counted = {}
    for number, case in enumerate(cases, 1):
        profile = out.with_name(f"{out.name}.{2 * number}").rename(PROFILES / f"{case}.out")
        total = re.search(r"^totals: (\d+)", profile.read_text(), re.MULTILINE)
        counted[case] = {"instructions": round(int(total[1]) / REQUESTS_UNDER_CALLGRIND)}
    return counted


def count(program: str, chosen: list[str]) -> Figures:
    """Allocations and bytes as the program counts them, and the instructions as callgrind does."""
    PROFILES.mkdir(parents=True, exist_ok=True)
    for old in PROFILES.iterdir():
        old.unlink()
    counted = run([program, *chosen, f"--requests={REQUESTS}"])
    with ThreadPoolExecutor() as pool:
        parts = []
        for part in ("gateway", "worker"):
            if cases := [case for case in counted if case.startswith(part)]:
                parts.append(pool.submit(instructions, program, part, cases))
        for part in parts:
            for case, figures in part.result().items():
                counted[case] |= figures
    return counted


def judge(now: Figures, baseline: Figures) -> tuple[list[str], list[str]]:
    """What costs more than it may, and what costs so much less that the baseline does not guard it any more."""
    worse, better = [], []
    for case, figures in now.items():
        for figure, value in figures.items():
            before = baseline.get(case, {}).get(figure)
            if before is None:
                worse.append(f"  {case}: the baseline does not have its {figure}")
                continue
            change = f"{value:,} instead of {before:,} ({value / before - 1:+.1%})"
            if value > before * (1 + TOLERANCES[figure]):
                worse.append(f"  {case}: {figure} for a request: {change}")
            elif value < before * (1 - TOLERANCES[figure]):
                better.append(f"  {case}: {figure} for a request: {change}")
    return worse, better


def apart(now: Figures) -> list[str]:
    """What does not cost the same and should."""
    found = []
    for case, other in SAME.items():
        for figure, wanted in now.get(other, {}).items():
            value = now.get(case, now[other])[figure]
            if abs(value - wanted) > wanted * TOLERANCES[figure]:
                found.append(f"  {case}: {figure} for a request: {value:,}, and {wanted:,} for {other}")
    return found


def table(now: Figures, baseline: Figures) -> str:
    rows = [f"{'a request of':<22}" + "".join(f"{figure:>14}" for figure in TOLERANCES) + f"{'change':>9}"]
    for case, figures in now.items():
        numbers = [f"{figures[figure]:,}" if figure in figures else "" for figure in TOLERANCES]
        before, after = baseline.get(case, {}).get("instructions"), figures.get("instructions")
        change = f"{after / before - 1:+.1%}" if before and after else ""
        rows.append(f"{case:<22}" + "".join(f"{number:>14}" for number in numbers) + f"{change:>9}")
    return "\n".join(rows)


def main() -> None:
    program, *rest = sys.argv[1:]
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    now = count(program, [case for case in rest if case != "--accept"])
    print(table(now, baseline))
    if "--accept" in rest:
        BASELINE.write_text(json.dumps(baseline | now, indent=2) + "\n")
        print(f"Written: {BASELINE}")
        return
    worse, better = judge(now, baseline)
    worse += apart(now)
    if better:
        print("\nCheaper than the baseline; `scripts/cost --accept` writes a new one, so that it stays so:")
        print("\n".join(better))
    if worse:
        print("\nToo expensive:\n" + "\n".join(worse))
        sys.exit(f"\n{WHAT_TO_DO}")


if __name__ == "__main__":
    main()
