"""Clients that are told the URL of a server and nothing else: each registers at its façade, signs a person in through
pages in a real browser, calls a tool, and goes on when the gateways were restarted and when its token has expired."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from facade import PERSON, TOKEN_SECONDS, facade_fleet

HERE = Path(__file__).parent
# Node looks for packages beside the program, so these are copied to where Playwright is.
OF_BROWSER = [HERE / "../browser" / name for name in ("person.mjs", "sign_in.mjs", "inspector.mjs")]
OF_BROWSER.append(HERE / "node" / "signing_in.mjs")

# For how long a gateway takes a token that has expired, since clocks differ.
SKEW_SECONDS = 60
SIGN_IN_SECONDS = 120
CALL_SECONDS = 60
# What every client is put through, in this order.
STEPS = ("sign-in", "restart", "refresh")


class SignInFailed(Exception):
    """A client did not do what it must; the text says what."""


class Browser:
    """The person: does what the pages ask for that programs open."""

    def __init__(self, command: list[str]) -> None:
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._told: dict[str, queue.Queue[dict]] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            told = json.loads(line)
            self._told[told["client"]].put(told)

    def open(self, client: str, url: str, told: queue.Queue[dict]) -> None:
        """What becomes of it is put into `told`."""
        self._told[client] = told
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"client": client, "url": url}) + "\n")
        self._child.stdin.flush()

    def close(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait(SIGN_IN_SECONDS)


class Client:
    """A client's program. What it opens goes to the browser."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.version = "unknown"
        # What the person saw of each sign-in, and how many there were.
        self.pages: queue.Queue[dict] = queue.Queue()
        self.opened = 0
        self._log = (folder / f"{name}.log").open("w")
        # Programs open pages as they do on people's machines: with the program that BROWSER names.
        urls = folder / f"{name}.urls"
        os.mkfifo(urls)
        opener = folder / f"{name}.open"
        opener.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$1\" > '{urls}'\n")
        opener.chmod(0o755)
        # Open for both, so that it has no end.
        self._urls = os.fdopen(os.open(urls, os.O_RDWR))
        self._child = subprocess.Popen(
            command,
            env={**environment, "BROWSER": str(opener)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._said: queue.Queue[dict] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def browse_with(self, browser: Browser) -> None:
        def pass_on() -> None:
            for url in self._urls:
                self.opened += 1
                browser.open(self.name, url.strip(), self.pages)

        threading.Thread(target=pass_on, daemon=True).start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            said = json.loads(line)
            self.version = said.get("version", self.version)
            if "pages" in said:
                # Inspector is used in a browser of its own.
                self.opened += 1
                self.pages.put(said)
            elif "version" not in said:
                self._said.put(said)
        self._said.put({"error": "its program has ended"})

    def ask(self) -> None:
        """Asks for a call of `whoami`."""
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write("call\n")
            self._child.stdin.flush()

    def is_person(self, seconds: float) -> None:
        """Waits for what the call says. Raises SignInFailed if that is not whom the person signed in as."""
        try:
            said = self._said.get(timeout=seconds)
        except queue.Empty:
            raise SignInFailed(f"no answer within {seconds} s") from None
        if PERSON not in json.dumps(said.get("said", "")):
            raise SignInFailed(str(said))

    def was_asked(self) -> None:
        """Raises SignInFailed if the person saw no page, or could not go on."""
        try:
            told = self.pages.get(timeout=CALL_SECONDS)
        except queue.Empty:
            raise SignInFailed("nobody was asked") from None
        if not told.get("pages"):
            raise SignInFailed(f"the browser: {told}")

    def close(self) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        try:
            self._child.wait(CALL_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
        self._log.close()


def outcomes(
    commands: Mapping[str, list[str]], environment: Mapping[str, str], node: str, browser_folder: Path, browser: str, folder: Path
) -> dict[str, tuple[str, dict[str, str]]]:
    """The version of each client, and how each step came out; all clients at once, since they wait for tokens to
    expire. `commands` are their programs without the URL."""
    screenshots = folder / "pages"
    screenshots.mkdir(parents=True)
    for program in OF_BROWSER:
        shutil.copy(program, browser_folder)
    environment = {**environment, "BROWSER_PROGRAM": browser, "SCREENSHOTS": str(screenshots)}
    with facade_fleet(folder) as server:
        person = Browser([node, str(browser_folder / "sign_in.mjs"), browser, str(screenshots)])
        clients = [Client(name, [*command, server.url], environment, folder) for name, command in commands.items()]
        found: dict[str, dict[str, str]] = {client.name: {} for client in clients}

        def step(name: str, seconds: float) -> None:
            going = [client for client in clients if set(found[client.name].values()) <= {"ok"}]
            for client in going:
                client.ask()
            for client in going:
                try:
                    client.is_person(seconds)
                    if name == "sign-in":
                        client.was_asked()
                    if client.opened != 1:
                        raise SignInFailed(f"it opened {client.opened} pages")
                    found[client.name][name] = "ok"
                except SignInFailed as failed:
                    found[client.name][name] = f"FAILED: {failed}"
                    print(f"{client.name}, {name}: {failed}", flush=True)

        try:
            for client in clients:
                client.browse_with(person)
            step("sign-in", SIGN_IN_SECONDS)
            for process in server.processes:
                if process.name.startswith("gateway"):
                    process.restart()
            step("restart", CALL_SECONDS)
            # Nothing tells that a token has expired but a gateway that refuses it.
            time.sleep(TOKEN_SECONDS + SKEW_SECONDS + 5)
            step("refresh", CALL_SECONDS)
        finally:
            for client in clients:
                client.close()
            person.close()
    return {client.name: (client.version, found[client.name]) for client in clients}
