"""What `isthmus permissions` prints is enough, on real API servers that check every request."""

from __future__ import annotations

import base64
import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from isthmus.cli import permissions

if TYPE_CHECKING:
    from pathlib import Path

    from tests import shops

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180), pytest.mark.xdist_group("rights")]

PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}


def _person(shop: shops.Shop, verb: str, *, account: str = "") -> Path:
    """Return the kubeconfig of somebody who has what the verb needs, and nothing else."""
    home = f"{shop.namespace}-people"
    documents = list(
        permissions.build(
            verb, namespace=shop.namespace, group=f"system:serviceaccounts:{home}", account=account
        )
    )
    tokens = {
        cluster: _grant(shop, cluster, home, [each for each, _ in documents]) for cluster in shop.clusters
    }
    config = yaml.safe_load(shop.lab.kubeconfig_path.read_text(encoding="utf-8"))
    named = {shop.lab.clusters[cluster].context: token for cluster, token in tokens.items()}
    config["users"] = [{"name": name, "user": {"token": token}} for name, token in named.items()]
    for context in config["contexts"]:
        context["context"]["user"] = context["name"]
    path = shop.folder / "person.kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def _grant(shop: shops.Shop, cluster: str, home: str, documents: list[dict[str, Any]]) -> str:
    """Apply the documents as the admin, under names of this test, and return the person's token."""
    api = shop.lab.api(cluster)
    api.create(PATHS["Namespace"], {"metadata": {"name": home}})
    api.create(PATHS["ServiceAccount"].format(home), {"metadata": {"name": "person"}})
    for document in copy.deepcopy(documents):
        metadata = document["metadata"]
        if "Role" in document["kind"]:
            metadata["name"] = f"{shop.namespace}-{metadata['name']}"
        if document.get("roleRef", {}).get("name", "").startswith("isthmus"):
            document["roleRef"]["name"] = f"{shop.namespace}-{document['roleRef']['name']}"
        api.create(PATHS[document["kind"]].format(metadata.get("namespace")), document)
    path = f"/api/v1/namespaces/{home}/serviceaccounts/person/token"
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600},
    }
    status, answer = api.ask("POST", path, body)
    assert status == 201, answer
    token: str = json.loads(answer)["status"]["token"]
    return token


def test_a_token_is_a_token_of_nobody_else(shop: shops.Shop) -> None:
    config = yaml.safe_load(_person(shop, "deploy status").read_text(encoding="utf-8"))

    payload = config["users"][0]["user"]["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["sub"] == f"system:serviceaccount:{shop.namespace}-people:person"


def test_what_deploy_asks_for_is_enough_to_go_up_and_back_and_down(shop: shops.Shop) -> None:
    env = {"KUBECONFIG": str(_person(shop, "deploy"))}

    shop.run("up", env=env)
    shop.set({"version": "2"})
    shop.run("up", env=env)
    shop.check_whole("2")
    shop.run("rollback", env=env)
    shop.check_whole("1")
    shop.run("down", env=env)


def test_with_an_account_of_the_app_fewer_rights_are_enough(shop: shops.Shop) -> None:
    env = {"KUBECONFIG": str(_person(shop, "deploy", account="deployer"))}
    shop.spec["serviceAccount"] = "deployer"
    shop.write()

    shop.run("up", env=env)
    shop.check_whole("1")


@pytest.mark.parametrize("verb", ["diff", "status", "history"])
def test_what_a_reading_verb_asks_for_is_enough(shop: shops.Shop, verb: str) -> None:
    shop.run("up")

    shop.run(verb, env={"KUBECONFIG": str(_person(shop, f"deploy {verb}"))})


def test_without_rights_the_refusal_names_the_way_to_them(shop: shops.Shop) -> None:
    env = {"KUBECONFIG": str(_person(shop, "deploy history"))}

    done = shop.run("up", code=1, env=env)

    assert "isthmus permissions deploy" in done.said
    assert all(shop.releases(cluster) == [] for cluster in shop.clusters)
