"""Where the browser comes back to after a sign-in: a listener on the loopback address (RFC 8252, section 7.3)."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import anyio
from mcp.client.auth import OAuthFlowError
from mcp.shared.auth import AuthorizationCodeResult

PATH = "/callback"
# Longer than a person takes to sign in with a second factor.
SIGN_IN_SECONDS = 300
REQUEST_SECONDS = 10


class Loopback:
    """An async context manager; `redirect_uri` is known once it is entered."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._answers: asyncio.Queue[dict[str, str]] = asyncio.Queue(maxsize=1)

    async def __aenter__(self) -> Loopback:
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def redirect_uri(self) -> str:
        # By this name and not by its number: it is the one loopback address that Entra's portal lets one register.
        return f"http://localhost:{self._port}{PATH}"

    async def answer(self) -> AuthorizationCodeResult:
        """Waits for the browser. The SDK compares `state` and `iss` with what it expects."""
        try:
            with anyio.fail_after(SIGN_IN_SECONDS):
                answer = await self._answers.get()
        except TimeoutError:
            raise OAuthFlowError(f"nobody signed in for {SIGN_IN_SECONDS} s") from None
        if "code" not in answer:
            reason = answer.get("error_description") or answer.get("error") or "the answer has no code"
            raise OAuthFlowError(f"the sign-in failed: {reason}")
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with anyio.fail_after(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n")[0].decode("latin-1").split(" ")
            url = urlsplit(target)
            # Browsers ask for an icon too.
            if (method, url.path) == ("GET", PATH):
                with_answer = {name: values[0] for name, values in parse_qs(url.query).items()}
                if not self._answers.full():
                    self._answers.put_nowait(with_answer)
                writer.write(page("200 OK", "You can close this window and go back to the program."))
            else:
                writer.write(page("404 Not Found", "There is nothing here."))
            await writer.drain()
        except (ConnectionError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # No browser, or one that has gone.
        finally:
            writer.close()


def page(status: str, text: str) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\n"
        f"Cache-Control: no-store\r\nConnection: close\r\n\r\n{text}"
    ).encode()
