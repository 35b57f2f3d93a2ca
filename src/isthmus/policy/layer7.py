"""What an allow lets through above the port: HTTP, DNS names, TLS server names, authentication."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Http:
    """One HTTP rule of Cilium: every part given must match; parts are POSIX-extended regular expressions.

    `headers` are `Name` (must be there) or `Name: value` texts; `values` are (name, value or None) of
    `headerMatches` without a mismatch action.
    """

    method: str | None = None
    path: str | None = None
    host: str | None = None
    headers: tuple[str, ...] = ()
    values: tuple[tuple[str, str | None], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Narrowing:
    """What an allow demands above the port; an empty part demands nothing.

    `dns` are the patterns of a DNS rule, `names` the server names (SNI), `authentication` Cilium's mode.
    `other` names who else judges what passes and cannot be asked here: a listener, Kafka, a proxylib parser.
    `terminates` marks that the proxy ends TLS, so that HTTP rules see what it carries.
    """

    http: tuple[Http, ...] = ()
    dns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    authentication: str | None = None
    other: str | None = None
    terminates: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What is asked above the port, as far as the question gives it.

    `headers` have lower-case names. `server_name` is the TLS server name, `query` the name that DNS is asked
    for. `token` says 'valid' or 'invalid' of a JSON web token, None without one; `claims` are a valid one's.
    """

    method: str | None = None
    path: str | None = None
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    server_name: str | None = None
    query: str | None = None
    token: str | None = None
    claims: tuple[tuple[str, object], ...] = ()
