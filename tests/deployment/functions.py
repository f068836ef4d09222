"""The functions of Bicep that our templates call, and what only Azure knows."""

from __future__ import annotations

import ipaddress
import json
import urllib.parse
from collections.abc import Callable
from typing import Any


class Later(str):
    """A text that is known only once Azure has made what it belongs to; shows from what it comes."""


class Unknown(Exception):
    """What cannot be decided before the deployment."""


def fail(message: str) -> None:
    raise Unknown(message)


def keep(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of texts: if one of them comes later, so does its value."""

    def kept(*arguments: Any) -> Any:
        value = function(*arguments)
        return Later(value) if any(isinstance(argument, Later) for argument in arguments) else value

    return kept


def concat(*parts: Any) -> Any:
    if all(isinstance(part, list) for part in parts):
        return [element for part in parts for element in part]
    return "".join(parts)


def union(*parts: list) -> list:
    found: list = []
    for part in parts:
        found += [element for element in part if element not in found]
    return found


def intersection(first: list, *others: list) -> list:
    return [element for element in first if all(element in other for other in others)]


def unique_string(*texts: str) -> Later:
    """Thirteen characters that only Azure can compute; as many stand for them here, for what is cut from them."""
    return Later("u1n2i3q4u5e67")


def cidr_subnet(prefix: str, size: int, number: int) -> str:
    subnets = list(ipaddress.ip_network(prefix).subnets(new_prefix=size))
    if number >= len(subnets):
        raise Unknown(f"{prefix} has no subnet /{size} number {number}")
    return str(subnets[number])


def join(parts: list, separator: str) -> str:
    text = separator.join(parts)
    return Later(text) if any(isinstance(part, Later) for part in parts) else text


def scope(kind: str, **known: str) -> Callable[[], dict[str, Any]]:
    return lambda: {"id": Later(f"{kind}: id"), **{name: Later(text) for name, text in known.items()}}


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cidrSubnet": cidr_subnet,
    "concat": concat,
    "empty": lambda value: not isinstance(value, Later) and not value,
    "fail": fail,
    "guid": lambda *texts: Later("guid of " + ", ".join(texts)),
    "intersection": intersection,
    "join": join,
    "json": json.loads,
    "max": max,
    "replace": keep(lambda text, old, new: text.replace(old, new)),
    "resourceGroup": scope("resource group", location="region of the resource group", name="name of the group"),
    "string": keep(str),
    "subscription": scope("subscription", tenantId="tenant of the subscription"),
    "subscriptionResourceId": lambda kind, name: Later(f"{kind}/{name}"),
    "take": keep(lambda value, count: value[:count]),
    "tenant": scope("tenant", tenantId="tenant"),
    "toLower": keep(str.lower),
    "union": union,
    "uniqueString": unique_string,
    "uriComponent": keep(lambda text: urllib.parse.quote(text, safe="")),
}
