"""Keeps a sign-in in a file that nobody else can read, so that the next run needs none."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.shared.auth import OAuthClientInformationFull, OAuthMetadata, OAuthToken, ProtectedResourceMetadata
from pydantic import BaseModel


class TokenFile(TokenStorage):
    """The storage of one client at one server. Without a path it keeps nothing."""

    def __init__(self, path: Path | None, server_url: str, client: OAuthClientInformationFull) -> None:
        self._path = path
        # Tokens are shown to nobody but the server that they are for.
        self._owner = {"server": server_url, "client_id": client.client_id}
        self._client = client
        self._provider: OAuthClientProvider | None = None

    def attach(self, provider: OAuthClientProvider) -> None:
        """Tells the provider what it needs to refresh a token of an earlier run: when the token expires, and where
        new ones come from. The SDK stores neither, and would send an expired token and then ask for a sign-in."""
        self._provider = provider
        kept = self._read()
        if kept is not None:
            context = provider.context
            context.token_expiry_time = kept["expires_at"]
            context.oauth_metadata = kept["issuer"] and OAuthMetadata.model_validate(kept["issuer"])
            context.protected_resource_metadata = kept["resource"] and ProtectedResourceMetadata.model_validate(
                kept["resource"]
            )

    async def get_tokens(self) -> OAuthToken | None:
        kept = self._read()
        return OAuthToken.model_validate(kept["tokens"]) if kept else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        if self._path is None or self._provider is None:
            return
        context = self._provider.context
        expires_at = None if tokens.expires_in is None else time.time() + tokens.expires_in
        self._write(
            {
                "owner": self._owner,
                "tokens": as_json(tokens),
                "expires_at": expires_at,
                "issuer": as_json(context.oauth_metadata),
                "resource": as_json(context.protected_resource_metadata),
            }
        )

    async def get_client_info(self) -> OAuthClientInformationFull:
        """The client is registered by hand: Entra knows no dynamic registration."""
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise NotImplementedError("the client is registered by hand")

    def _read(self) -> dict[str, Any] | None:
        if self._path is None or not self._path.exists():
            return None
        kept = json.loads(self._path.read_text())
        return kept if kept["owner"] == self._owner else None

    def _write(self, kept: dict[str, Any]) -> None:
        assert self._path is not None
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        # Never readable by others, not even for a moment; and never half written.
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(kept, file)
        new.replace(self._path)


def as_json(model: BaseModel | None) -> Any:
    return model.model_dump(mode="json", exclude_none=True) if model else None
