"""The ledger of `prynai-chaos-worker`: what its tools did, line by line, over a Unix socket."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

# As `tests/chaos/src/tools/ledger.rs` has it.
VARIABLE = "PRYNAI_CHAOS_LEDGER"


class Ledger:
    """What was done, by the number of the call: `begun`, `effect`, `done`, `cancelled`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._deeds: dict[int, Counter[str]] = defaultdict(Counter)
        self._lock = threading.Lock()
        self._writers: list[threading.Thread] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._accept, name="ledger", daemon=True).start()

    def _accept(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                writer, _ = self._socket.accept()
                reader = threading.Thread(target=self._read, args=[writer], name="pen", daemon=True)
                self._writers.append(reader)
                reader.start()
                continue
            return

    def _read(self, writer: socket.socket) -> None:
        with writer, writer.makefile() as lines:
            for line in lines:
                call, _run, deed = line.split()
                with self._lock:
                    self._deeds[int(call)][deed] += 1

    def deeds(self) -> dict[int, Counter[str]]:
        with self._lock:
            return {call: Counter(deeds) for call, deeds in self._deeds.items()}

    def running(self, calls: range) -> int:
        """How many of these calls have begun and not ended."""
        of_them = [deeds for call, deeds in self.deeds().items() if call in calls]
        return sum(deeds["begun"] - deeds["done"] - deeds["cancelled"] for deeds in of_them)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextlib.contextmanager
def ledger() -> Iterator[Ledger]:
    # The path of a socket may be short only, and pytest's folders are deep.
    with tempfile.TemporaryDirectory() as folder:
        kept = Ledger(Path(folder) / "ledger")
        try:
            yield kept
        finally:
            kept.close()
