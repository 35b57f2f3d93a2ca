"""`isthmus access verdict` and `explain`: may this reach that, by which layer, and why."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import output, running
from isthmus.cli.judging import batches, reading
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.policy.verdict import answer, question


class Expected(StrEnum):
    """What `--expect` may name."""

    ALLOW = "allow"
    DENY = "deny"


Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="ENDPOINT",
        help="Who connects: [cluster:]namespace/name[Kind], an IP address, or an entity such as `world`.",
    ),
]
Destination = Annotated[str | None, typer.Option("--to", metavar="ENDPOINT", help="What is reached.")]
Port = Annotated[
    int | None, typer.Option("--port", help="The port of the pod (a Service's target port); ICMP's type.")
]
Protocol = Annotated[str, typer.Option("--protocol", help="tcp, udp, sctp, icmp or icmpv6.")]
Http = Annotated[str | None, typer.Option("--http", metavar='"GET /PATH"', help="The request that is made.")]
Host = Annotated[str | None, typer.Option("--host", help="The request's host, or the DNS name asked for.")]
Sni = Annotated[str | None, typer.Option("--sni", help="The server name of a TLS connection.")]
Cql = Annotated[str | None, typer.Option("--cql", metavar='"SELECT …"', help="The statement that is sent.")]
Mesh = Annotated[
    str | None,
    typer.Option(
        "--mesh", help="How Istio carries both: none, sidecar or ambient, where manifests do not say."
    ),
]


def verdict(
    manifests: reading.Manifests = None,
    context: reading.Contexts = None,
    source: Source = None,
    to: Destination = None,
    port: Port = None,
    protocol: Protocol = "tcp",
    http: Http = None,
    host: Host = None,
    sni: Sni = None,
    cql: Cql = None,
    mesh: Mesh = None,
    cilium: reading.Cilium = None,
    expect: Annotated[
        Expected | None, typer.Option("--expect", help="Exit 1 when the verdict is another.")
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(
            "--batch", metavar="FILE.jsonl", help="One question a line as JSON; `-` for standard input."
        ),
    ] = None,
    form: reading.Form = output.Output.TEXT,
    _verbose: reading.Verbose = False,
) -> None:
    """Say whether one endpoint may reach another, by Kubernetes, Cilium and Istio together.

    Exits 0 whatever the verdict; 1 with --expect when it is the other one, and when a policy is wrong; 2 when
    something cannot be read.

    Examples:
        isthmus access verdict --manifests k8s --from shop/orders --to data/cassandra --port 9042
        isthmus access verdict --context west --from shop/orders --to data/cassandra --port 9042
        helm template db charts/db | isthmus access verdict --manifests - --from world --to db/db --port 80
        isthmus access verdict --batch questions.jsonl
    """
    if batch is not None:
        raise typer.Exit(int(batches.run(batch)))
    asked = ask(source, to, port, protocol=protocol, http=http, host=host, sni=sni, cql=cql, mesh=mesh)
    read, found = judged(manifests, context, cilium, asked)
    if form is output.Output.TEXT:
        from isthmus.render import access as render

        typer.echo(render.verdict_text(found, asked, width=running.width()))
    else:
        _emit(read, found, form)
    reading.leave(read, form, is_met=expect is None or expect.value == found.verdict.value)


def explain(
    manifests: reading.Manifests = None,
    context: reading.Contexts = None,
    source: Source = None,
    to: Destination = None,
    port: Port = None,
    protocol: Protocol = "tcp",
    http: Http = None,
    host: Host = None,
    sni: Sni = None,
    cql: Cql = None,
    mesh: Mesh = None,
    cilium: reading.Cilium = None,
    form: reading.Form = output.Output.TEXT,
    _verbose: reading.Verbose = False,
) -> None:
    """Tell in sentences, hop by hop, why one endpoint may reach another or not, and what would change it.

    Examples:
        isthmus access explain --manifests k8s --from shop/orders --to data/cassandra --port 9042
    """
    asked = ask(source, to, port, protocol=protocol, http=http, host=host, sni=sni, cql=cql, mesh=mesh)
    read, found = judged(manifests, context, cilium, asked)
    if form is output.Output.TEXT:
        from isthmus.render import access as render

        typer.echo(render.explanation(found, asked, width=running.width()))
    else:
        _emit(read, found, form)
    reading.leave(read, form)


def _emit(read: reading.Read, found: answer.Answer, form: output.Output) -> None:
    told = [each.to_json() for each in reading.all_findings(read)]
    output.emit({**found.to_json(), "findings": told}, form)


def judged(
    manifests: Sequence[str] | None,
    contexts: Sequence[str] | None,
    cilium: str | None,
    asked: question.Question,
) -> tuple[reading.Read, answer.Answer]:
    """Read the world and answer one question about it."""
    from isthmus.policy.verdict import judge

    read = reading.read(manifests, contexts, cilium)
    return read, judge.Judge(read.world).ask(asked)


def ask(source: str | None, to: str | None, port: int | None, **more: str | None) -> question.Question:
    """Return the question that flags make; InputError for what is missing or odd."""
    from isthmus.policy.verdict import question

    for flag, value in (("--from", source), ("--to", to)):
        if not value:
            raise errors.InputError(f"{flag} is missing", remedy=question.EXAMPLE)
    data: dict[str, Any] = {"from": source, "to": to, "port": port, **{k: v for k, v in more.items() if v}}
    http = more.get("http")
    if http or more.get("host"):
        asked = question.request(http) if http else None
        data["http"] = {
            "method": asked.method if asked else None,
            "path": asked.path if asked else None,
            "host": more.get("host"),
        }
    return question.read(data)
