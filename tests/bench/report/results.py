"""What was measured, and medians of it.

`data["cases"][case]["settings"][setting][subject]` has the figures of every round, and the peak memory of each process.
"""

from __future__ import annotations

import statistics
from typing import Any


class Results:
    """Results of some or all cases."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    @property
    def cases(self) -> dict[str, Any]:
        return self.data["cases"]

    def begin(self, case: str, about: dict[str, Any]) -> None:
        """Forgets what is known of the case."""
        self.cases[case] = {"about": about, "settings": {}}

    def add(self, case: str, setting: str, subject: str, rounds: list[dict], memory: dict[str, float]) -> None:
        settings = self.cases[case]["settings"]
        settings.setdefault(setting, {})[subject] = {"rounds": rounds, "peak_mib": memory}

    def about(self, case: str) -> dict[str, Any]:
        return self.cases[case]["about"]

    def settings(self, case: str) -> dict[str, dict[str, Any]]:
        return self.cases.get(case, {}).get("settings", {})

    def rounds(self, case: str, setting: str, subject: str) -> list[dict[str, Any]]:
        return self.settings(case).get(setting, {}).get(subject, {}).get("rounds", [])

    def median(self, case: str, setting: str, subject: str, metric: str) -> float | None:
        values = [taken[metric] for taken in self.rounds(case, setting, subject) if metric in taken]
        return statistics.median(values) if values else None

    def ratio(self, case: str, setting: str, subject: str, other: str, metric: str = "per_second") -> float | None:
        """The median of the ratios within the rounds."""
        both = zip(self.rounds(case, setting, subject), self.rounds(case, setting, other), strict=False)
        ratios = [mine[metric] / theirs[metric] for mine, theirs in both if metric in mine and theirs.get(metric)]
        return statistics.median(ratios) if ratios else None

    def cpu(self, case: str, setting: str, subject: str) -> dict[str, float]:
        """CPU time of each process per call, in microseconds."""
        taken = [one["cpu_us"] for one in self.rounds(case, setting, subject) if "cpu_us" in one]
        return {name: statistics.median(one[name] for one in taken) for name in taken[0]} if taken else {}

    def cpu_total(self, case: str, setting: str, subject: str) -> float | None:
        taken = [sum(one["cpu_us"].values()) for one in self.rounds(case, setting, subject) if "cpu_us" in one]
        return statistics.median(taken) if taken else None

    def peak_mib(self, case: str, setting: str, subject: str) -> dict[str, float]:
        return self.settings(case).get(setting, {}).get(subject, {}).get("peak_mib", {})
