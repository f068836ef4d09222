"""A person at a browser, as far as the pages of a sign-in need one."""

from __future__ import annotations

import ssl
import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode, urljoin

# The page of the façade, a sign-in, a consent, and room for one more.
MOST_FORMS = 4
PAGE_SECONDS = 30
# What the page of the façade calls its consent.
ALLOW = "allow"


class Form(HTMLParser):
    """The one form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        # Where the form is sent to; empty for the page itself. None: there is no form.
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.buttons: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = found.get("action", "")
        elif tag == "input" and "name" in found:
            self.fields[found["name"]] = found.get("value", "")
        elif tag == "button" and "name" in found:
            self.buttons.append((found["name"], found.get("value", "")))


class Browser:
    """Trusts the authority in the file `ca`, if one is given."""

    def __init__(self, ca: Path | None = None) -> None:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar()),
            urllib.request.HTTPSHandler(context=context),
            # No proxy of the environment stands between the tests and the loopback address.
            urllib.request.ProxyHandler({}),
        )

    def sign_in(self, url: str, user: str = "alice") -> str:
        """Follows redirects from `url`, and fills in forms as `user`, who consents. Gives the last page, which is that
        of the program that waits for the answer."""
        filled = {"login": user, "password": "any"}
        page, form, at = self._open(url)
        for _ in range(MOST_FORMS):
            if form.action is None:
                return page
            fields = {name: filled.get(name, value) for name, value in form.fields.items()}
            fields.update((name, value) for name, value in form.buttons if value in (user, ALLOW))
            page, form, at = self._submit(form, at, fields)
        raise AssertionError(f"still not done after {MOST_FORMS} forms:\n{page}")

    def decline(self, url: str) -> str:
        """Presses the button `cancel` of the first page."""
        _, form, at = self._open(url)
        [cancel] = [button for button in form.buttons if button[0] == "cancel"]
        page, _, _ = self._submit(form, at, {**form.fields, **dict([cancel])})
        return page

    def _submit(self, form: Form, at: str, fields: dict[str, str]) -> tuple[str, Form, str]:
        assert form.action is not None
        return self._open(urllib.request.Request(urljoin(at, form.action or at), data=urlencode(fields).encode()))

    def _open(self, request: str | urllib.request.Request) -> tuple[str, Form, str]:
        with self._opener.open(request, timeout=PAGE_SECONDS) as response:
            page = response.read().decode()
            return page, Form(page), response.url
