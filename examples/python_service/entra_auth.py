"""A service's own access token of Microsoft Entra ID, with every request of an HTTP client.

    auth = EntraAuth(
        authority="https://login.microsoftonline.com/TENANT",
        client_id="CLIENT_ID",
        client_credential=os.environ["CLIENT_SECRET"],
        scope="https://mcp.example.com/mcp/.default",
    )
    http = httpx2.AsyncClient(auth=auth)
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Generator
from importlib.metadata import version
from typing import Any

import anyio.to_thread
import msal

# 2.x of the Python SDK speaks through httpx2; 1.x, and LangChain with it, through httpx. Both have the same interface.
if version("mcp").startswith("1."):
    from httpx import Auth, Request, Response
else:
    from httpx2 import Auth, Request, Response


class NoToken(Exception):
    """Entra gave no token; the message is its own."""


class EntraAuth(Auth):
    """Client credentials (RFC 6749, section 4.4). One object serves any number of clients and threads.

    MSAL keeps the token, and gets the next one five minutes before it expires. When the server refuses one earlier than
    that, because keys were replaced or access was withdrawn, a new one is tried once.
    """

    def __init__(
        self,
        authority: str,
        client_id: str,
        client_credential: str | dict[str, Any],
        scope: str,
        validate_authority: bool = True,
    ) -> None:
        """`client_credential`: a secret, or what MSAL takes in its place, such as a certificate.

        `validate_authority=False` is for authorities that Microsoft does not know, such as a local one.
        """
        # Asks for the authority's metadata, and fails when it does not answer.
        self._application = msal.ConfidentialClientApplication(
            client_id,
            client_credential=client_credential,
            authority=authority,
            validate_authority=validate_authority,
            instance_discovery=None if validate_authority else False,
        )
        self._scopes = [scope]
        # So that many calls at once ask for one token.
        self._lock = threading.Lock()
        self._last: str | None = None

    def sync_auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        token = self._token()
        response = yield bearing(request, token)
        if response.status_code == 401:
            yield bearing(request, self._token(refused=token))

    async def async_auth_flow(self, request: Request) -> AsyncGenerator[Request, Response]:
        # MSAL waits for the network in the thread it is called in.
        token = await anyio.to_thread.run_sync(self._token)
        response = yield bearing(request, token)
        if response.status_code == 401:
            yield bearing(request, await anyio.to_thread.run_sync(self._token, token))

    def _token(self, refused: str | None = None) -> str:
        with self._lock:
            # Unless another call has got a new one in the meantime.
            if refused is not None and refused == self._last:
                self._application.remove_tokens_for_client()
            answer = self._application.acquire_token_for_client(self._scopes)
            if "access_token" not in answer:
                raise NoToken(f"{answer.get('error')}: {answer.get('error_description')}")
            self._last = answer["access_token"]
            return self._last


def bearing(request: Request, token: str) -> Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request
