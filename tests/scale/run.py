"""Measures what a call costs as the fleet grows; scripts/scale builds what is needed and calls this.

    python run.py [--quick] [CASE…]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import fleet  # noqa: F401  (it says where the benchmark's modules are)
from growth import CASES, Plan, Row, shown
from counters import machine
from plot import write as write_plot
from subjects import allow_many_connections

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "scaling.md"
BEGIN = "<!-- scripts/scale writes what follows; change tests/scale/ instead -->"
END = "<!-- the end of what scripts/scale writes -->"
TITLES = {
    "gateway": "gateways, µs",
    "worker": "workers, µs",
    "redis": "Redis, µs",
    "sum": "sum, µs",
    "commands": "Redis commands",
    "per_second": "calls/s",
}


def table(rows: list[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if "sum" in names:
        names.insert(names.index("sum") + 1, "ratio")
    lines = [[TITLES.get(name, name) for name in names], ["---"] * len(names)]
    smallest: dict[object, float] = {}
    for row in rows:
        cells = {name: shown(value) for name, value in row.items()}
        if "sum" in row:
            first = smallest.setdefault(row.get("era"), float(row["sum"]))
            cells["ratio"] = f"{float(row['sum']) / first:.2f}"
        lines.append([cells.get(name, "") for name in names])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_page(results: dict[str, Any]) -> None:
    """The tables into the page, between the markers; the rest of it is written by hand."""
    parts = []
    for name in CASES:
        about = results[name]
        where = f"{about['machine']['cores']} cores, {about['machine']['cpu']}"
        parts.append(
            f"### {name.capitalize()}\n\n{first_line(name)}\n\n{table(about['rows'])}\n\n"
            f"`scripts/scale {name}`, at commit {about['commit']}, on {where}."
        )
    page = PAGE.read_text()
    assert page.count(BEGIN) == 1 and page.count(END) == 1, f"{PAGE} has lost its markers"
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}")


def first_line(case: str) -> str:
    return str(CASES[case].__doc__).splitlines()[0]


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/scale", description="What a call costs as the fleet grows.")
    parser.add_argument("--quick", action="store_true", help="without the largest sizes, to see that it works")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"all, or some of: {', '.join(CASES)}")
    arguments = parser.parse_args()
    if unknown := [case for case in arguments.cases if case not in CASES]:
        parser.error(f"unknown: {', '.join(unknown)}; cases are {', '.join(CASES)}")
    allow_many_connections()
    folder = Path(os.environ.get("PRYNAI_SCALE_RESULTS") or ROOT / "target" / "scale").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ("quick.json" if arguments.quick else "results.json")
    described = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    commit = subprocess.run(described, capture_output=True, text=True, check=False).stdout.strip()
    results = json.loads(file.read_text()) if file.exists() and arguments.cases else {}
    for name in arguments.cases or CASES:
        began = time.time()
        print(f"{name}: {first_line(name)}", flush=True)
        with tempfile.TemporaryDirectory(prefix="scale-", ignore_cleanup_errors=True) as own:
            rounds = 1 if arguments.quick else 3
            rows = CASES[name](Plan(Path(own), rounds, 1 if arguments.quick else 2, arguments.quick))
        results[name] = {"commit": commit, "machine": machine(), "rows": rows}
        file.write_text(json.dumps(results, indent=1, ensure_ascii=False))
        print(f"  {time.time() - began:.0f} s", flush=True)
    for name in arguments.cases or CASES:
        print(f"\n{first_line(name)}\n\n{table(results[name]['rows'])}")
    if not arguments.quick and set(CASES) <= set(results):
        write_plot(results, ROOT / "docs" / "scaling.svg")
        write_page(results)
        print("\nWritten: docs/scaling.md and docs/scaling.svg")


if __name__ == "__main__":
    main()
