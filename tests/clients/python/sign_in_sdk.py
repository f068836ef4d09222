"""The official Python SDK, whichever generation is installed, signs a person in."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))

import clients  # noqa: E402
from mcp.client.auth import OAuthClientProvider  # noqa: E402
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken  # noqa: E402

from signing_in import TOOL, Call, Loopback, main, open_browser  # noqa: E402


# Longer than tokens live here.
SECONDS = 600


class Memory:
    """The store that the SDK asks for."""

    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None
        self._client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client: OAuthClientInformationFull) -> None:
        self._client = client


def provider(url: str, loopback: Loopback) -> OAuthClientProvider:
    async def redirected(to: str) -> None:
        open_browser(to)

    async def answered() -> Any:
        answer = await loopback.answer()
        if clients.SDK_GENERATION == 1:
            return answer["code"], answer.get("state")
        from mcp.shared.auth import AuthorizationCodeResult

        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    metadata = OAuthClientMetadata(
        client_name=f"Python SDK {clients.SDK_GENERATION}",
        redirect_uris=[loopback.redirect_uri],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
    )
    return OAuthClientProvider(url, metadata, Memory(), redirect_handler=redirected, callback_handler=answered)


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Call]:
    revision = "2025-11-25" if clients.SDK_GENERATION == 1 else "2026-07-28"
    async with Loopback() as loopback:
        auth = provider(url, loopback)
        async with clients.connect(url, revision, auth=auth, seconds=SECONDS) as connection:

            async def call() -> str:
                return clients.text_of(await connection.call(TOOL, {}))

            yield call


if __name__ == "__main__":
    main(importlib.metadata.version("mcp"), connect)
