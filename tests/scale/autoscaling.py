"""Draws what the autoscaling test saw and decided; scripts/autoscaling calls this.

    python autoscaling.py TIMELINE PICTURE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

from report.svg import Picture  # noqa: E402  (it lies with the benchmark)

WIDTH, LEFT, RIGHT = 860, 64, 836
REQUESTS, WORKERS = (96, 276), (330, 450)
# The colours of the requests that wait, of those that run, and of the workers.
WAIT, RUN, WORK, LEAVE = "gateway", "standalone", "worker", "redis"


def main() -> None:
    timeline = json.loads(Path(sys.argv[1]).read_text())
    picture = Picture(WIDTH, 510, "Workers follow the queue, from zero and back")
    names = {WAIT: "requests that wait", RUN: "that run", WORK: "workers", LEAVE: "workers that finish and end"}
    picture.legend(16, 60, names)
    looks = timeline["looks"]
    last = looks[-1]["at"]
    most = max(max(look["waiting"] or 0, look["running"]) for look in looks)
    steps = round_up(most, 10)
    axis(picture, REQUESTS, steps, 10, "requests")
    both = max(look["wanted"] + look["leaving"] for look in looks)
    axis(picture, WORKERS, both, 1, "workers")
    seconds(picture, last)
    events(picture, timeline["begun"], last)
    # At some moments Redis does not know the lag (docs/scaling.md): nothing is drawn then.
    for line in unbroken([(look["at"], look["waiting"]) for look in looks]):
        picture.line([(x(at, last), y(value, REQUESTS, steps)) for at, value in stairs(line)], WAIT)
    line = [(look["at"], look["running"]) for look in looks]
    picture.line([(x(at, last), y(value, REQUESTS, steps)) for at, value in stairs(line)], RUN)
    bars(picture, looks, last, both)
    picture.write(Path(sys.argv[2]))


def axis(picture: Picture, box: tuple[int, int], highest: int, step: int, name: str) -> None:
    for value in range(0, highest + 1, step):
        height = y(value, box, highest)
        picture.rule(LEFT, height, RIGHT, height)
        picture.words(LEFT - 10, height + 4, str(value), "end", "quiet")
    picture.words(16, box[0] - 12, name, kind="quiet")


def seconds(picture: Picture, last: float) -> None:
    for second in range(0, int(last) + 1, 5):
        picture.words(x(second, last), WORKERS[1] + 20, str(second), "middle", "quiet")
    picture.words((LEFT + RIGHT) / 2, WORKERS[1] + 40, "seconds", "middle", "quiet")


def events(picture: Picture, begun: list[dict[str, Any]], last: float) -> None:
    """What begins, named above the requests; names that would touch stand below each other."""
    ends: list[float] = []
    for event in begun:
        place = x(event["at"], last)
        row = next((row for row, end in enumerate(ends) if end < place), len(ends))
        if row == len(ends):
            ends.append(0)
        ends[row] = place + 6.6 * len(event["what"]) + 12
        picture.rule(place, REQUESTS[0] - 4, place, WORKERS[1])
        picture.words(place + 4, REQUESTS[0] + 10 + 16 * row, event["what"], kind="quiet")


def bars(picture: Picture, looks: list[dict[str, Any]], last: float, highest: int) -> None:
    for look, following in zip(looks, looks[1:]):
        left, right = x(look["at"], last), x(following["at"], last)
        below = y(look["wanted"], WORKERS, highest)
        # A little wider, so that no seam is seen.
        picture.bar(left, below, right - left + 0.3, WORKERS[1] - below, WORK)
        if look["leaving"]:
            above = y(look["wanted"] + look["leaving"], WORKERS, highest)
            picture.bar(left, above, right - left + 0.3, below - above, LEAVE)


def unbroken(line: list[tuple[float, int | None]]) -> list[list[tuple[float, int]]]:
    parts: list[list[tuple[float, int]]] = [[]]
    for at, value in line:
        if value is not None:
            parts[-1].append((at, value))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def stairs(line: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """What was seen counts until the next look."""
    points = line[:1]
    for (_, before), (at, value) in zip(line, line[1:]):
        points += [(at, before), (at, value)]
    return points


def x(at: float, last: float) -> float:
    return LEFT + (RIGHT - LEFT) * at / last


def y(value: float, box: tuple[int, int], highest: int) -> float:
    return box[1] - (box[1] - box[0]) * value / highest


def round_up(value: int, step: int) -> int:
    return max(step, -(-value // step) * step)


if __name__ == "__main__":
    main()
