"""What an operation writes at its end, when every wave stands: how clusters read one another, and policy.

Tokens are asked for here and go into the Secret that holds them, and nowhere else. Repeatable: who resumes
does all of it again. What is to be written is decided by whoever drafts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds, kubeconfig, redactor
from isthmus.engine import beside
from isthmus.engine import work as works
from isthmus.mesh import readers
from isthmus.model import errors, operation, plan
from isthmus.rollout import manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.clients import kube

Json = dict[str, Any]


async def close(work: works.Work) -> None:
    """Write what the plan has for the end, in every cluster that is done; the first failure is raised."""
    by_cluster: dict[str, list[plan.Closing]] = {}
    for each in work.plan.closings:
        by_cluster.setdefault(each.cluster, []).append(each)
    await works.together([_one(work, name, found) for name, found in by_cluster.items()])


async def take_back(work: works.Work) -> None:
    """Delete what was written anew at the end; a cluster that does not answer keeps it, and that is said."""
    for each in work.plan.closings:
        if each.verb is not plan.Verb.CREATE:
            continue  # what stood there is as good as what stands there now
        try:
            await _delete(await work.rights.server(each.cluster), each)
        except errors.FencedError:
            raise
        except errors.IsthmusError as error:
            work.say(f"{each.kind} {each.name} stays: {work.told(error, each.cluster)}", each.cluster)


async def _one(work: works.Work, name: str, found: Sequence[plan.Closing]) -> None:
    if not _is_done(work, name):
        return
    server = await work.rights.server(name)
    for each in found:
        if each.remote is not None and not _is_done(work, each.remote):
            work.say(f"does not read {each.remote}, which was left behind", name)
            continue
        await work.note(f"{name} {each.name} intent", lambda now: now, cluster=name, text=str(each))
        if each.verb is plan.Verb.DELETE:
            await _delete(server, each)
        elif each.remote is not None:
            await _let_read(work, server, each, each.remote)
        else:
            body = readers.policy()
            await server.apply(beside.KINDS[body["kind"]], body)
    await work.note(f"{name} closed", lambda now: now, cluster=name, text="whole", code="done")


async def _let_read(work: works.Work, server: kube.Cluster, each: plan.Closing, remote: str) -> None:
    """Give this cluster a new token of another one's reader, with where that one is reached."""
    other = work.world.cluster(remote)
    token = await other.issue_token(
        readers.account(each.cluster), readers.NAMESPACE, seconds=int(readers.LIFE.total_seconds())
    )
    entry = kubeconfig.for_token(other.config, token)["clusters"][0]["cluster"]
    body = readers.secret(
        remote,
        server=each.server or other.server,
        authority=str(entry.get("certificate-authority-data") or ""),
        token=token,
        tls_name=str(entry.get("tls-server-name") or ""),
    )
    try:
        await server.apply(kinds.SECRET, body)
    except errors.IsthmusError as error:
        hide = redactor.Redactor.of([token, *body["data"].values()])
        for field in ("what", "why", "remedy"):
            setattr(error, field, hide.clean(getattr(error, field)))
        raise


async def _delete(server: kube.Cluster, each: plan.Closing) -> None:
    kind = beside.KINDS[each.kind]
    live = await server.get(kind, each.name, each.namespace)
    if live is not None and manifest.is_own(live):
        await server.delete(kind, each.name, each.namespace)


def _is_done(work: works.Work, name: str) -> bool:
    """Say whether a cluster stands as the plan wants it; one that the plan leaves alone does."""
    runs = [run for run in work.current.runs if run.cluster == name]
    return all(run.state is operation.State.DONE for run in runs)
