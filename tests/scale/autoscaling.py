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
# Where names stand of what begins, and the two charts, from top to bottom.
NAMES, REQUESTS, WORKERS = (92, 140), (152, 322), (366, 474)
# The colours of the requests that wait, of those that run, and of the workers.
WAIT, RUN, WORK, LEAVE = "gateway", "standalone", "worker", "redis"


def main() -> None:
    timeline = json.loads(Path(sys.argv[1]).read_text())
    picture = Picture(WIDTH, 530, "Workers follow the queue, from zero and back")
    looks = timeline["looks"]
    names = {WAIT: "requests that wait", RUN: "requests that run", WORK: "workers"}
    if any(look["leaving"] for look in looks):
        names[LEAVE] = "workers that finish and end"
    picture.legend(16, 60, names)
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
    picture.words(16, box[0] - 14, name, kind="quiet")


def seconds(picture: Picture, last: float) -> None:
    for second in range(0, int(last) + 1, 5):
        picture.words(x(second, last), WORKERS[1] + 20, str(second), "middle", "quiet")
    picture.words((LEFT + RIGHT) / 2, WORKERS[1] + 40, "seconds", "middle", "quiet")


def events(picture: Picture, begun: list[dict[str, Any]], last: float) -> None:
    """What begins, named above the requests; names that would touch stand below each other."""
    ends: list[float] = []
    for event in begun:
        place, width = x(event["at"], last), 6.6 * len(event["what"]) + 12
        left = place if place + width < WIDTH else place - width
        row = next((row for row, end in enumerate(ends) if end < left), len(ends))
        if row == len(ends):
            ends.append(0)
        ends[row] = left + width
        height = NAMES[0] + 16 * row
        picture.rule(place, height - 10, place, WORKERS[1])
        side, anchor = (4, "start") if left == place else (-4, "end")
        picture.words(place + side, height, event["what"], anchor, "quiet")


def bars(picture: Picture, looks: list[dict[str, Any]], last: float, highest: int) -> None:
    """One bar for all looks in a row that wanted the same."""
    first = looks[0]
    for look in looks[1:]:
        seen = [(one["wanted"], one["leaving"]) for one in (first, look)]
        if seen[0] == seen[1] and look is not looks[-1]:
            continue
        left, width = x(first["at"], last), x(look["at"], last) - x(first["at"], last)
        below = y(first["wanted"], WORKERS, highest)
        picture.bar(left, below, width, WORKERS[1] - below, WORK)
        above = y(first["wanted"] + first["leaving"], WORKERS, highest)
        picture.bar(left, above, width, below - above, LEAVE)
        first = look


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
