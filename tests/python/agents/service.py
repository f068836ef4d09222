"""What the programs of this folder have in common: they run in the environments of the examples, as a service."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "examples" / "python_service"))

from settings import auth  # noqa: E402

__all__ = ["arguments", "auth", "told"]


def arguments(description: str, *numbers: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("url")
    parser.add_argument("era", choices=["legacy", "modern"])
    for number in numbers:
        parser.add_argument(number, type=int)
    parser.add_argument("--authority", required=True)
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--scope", required=True)
    parser.add_argument("--local-authority", action="store_true")
    return parser.parse_args()


def told(error: BaseException) -> str:
    """What the client was told, without the group that a task of its transport puts around it."""
    while exceptions := getattr(error, "exceptions", None):
        error = exceptions[0]
    return repr(error)
