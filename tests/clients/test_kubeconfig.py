from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from isthmus.clients import kubeconfig
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]


def document(name: str, *, server: Any = "https://one:6443", user: Any = None, **cluster: Any) -> Json:
    return {
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, **cluster}}],
        "users": [{"name": name, "user": user or {"token": "top-secret"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


def write(path: Path, content: Json) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_first_file_that_names_an_entry_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "a", document("shop", server="https://first"))
    second = write(tmp_path / "b", document("shop", server="https://second"))
    third = write(tmp_path / "c", document("bank", server="https://third"))

    contexts = kubeconfig.load(env={"KUBECONFIG": f"{first}:{tmp_path / 'missing'}:{second}:{third}"})

    assert contexts.names() == ("shop", "bank")
    assert contexts.current == "shop"
    assert contexts.get("shop").cluster.server == "https://first"


def test_without_kubeconfig_the_file_in_the_home_folder_is_read(tmp_path: Path) -> None:
    write(tmp_path / ".kube" / "config", document("home"))

    assert kubeconfig.load(env={"HOME": str(tmp_path)}).names() == ("home",)


def test_extra_files_come_last(tmp_path: Path) -> None:
    own = write(tmp_path / "own", document("shop", server="https://own"))
    lab = write(tmp_path / "lab", document("shop", server="https://lab"))

    contexts = kubeconfig.load([own], extra=[lab])

    assert contexts.get("shop").cluster.server == "https://own"


def test_paths_are_relative_to_the_file_that_holds_them(tmp_path: Path) -> None:
    content = document("shop", user={"tokenFile": "token"}, **{"certificate-authority": "ca.pem"})
    path = write(tmp_path / "deep" / "config", content)

    config = kubeconfig.load([path]).get("shop")

    assert config.cluster.certificate_auth == str(tmp_path / "deep" / "ca.pem")
    assert config.user is not None
    assert config.user.token_file == str(tmp_path / "deep" / "token")


def test_an_unknown_context_is_refused_with_near_matches(tmp_path: Path) -> None:
    path = write(tmp_path / "config", document("gke_shop_us-west4"))

    with pytest.raises(errors.InputError, match="near matches: gke_shop_us-west4") as caught:
        kubeconfig.load([path]).get("gke_shop_us-west")

    assert str(path) in str(caught.value)
    assert caught.value.exit_code == errors.Exit.UNREADABLE


def test_a_kubeconfig_without_contexts_says_so(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="no context at all"):
        kubeconfig.load([tmp_path / "missing"]).get("x")


def test_a_context_whose_user_is_missing_is_refused(tmp_path: Path) -> None:
    content = document("shop") | {"users": []}

    with pytest.raises(errors.InputError, match="names the user 'shop'"):
        kubeconfig.load([write(tmp_path / "config", content)]).get("shop")


def test_a_context_without_a_user_is_taken(tmp_path: Path) -> None:
    content = document("shop") | {"contexts": [{"name": "shop", "context": {"cluster": "shop"}}]}

    assert kubeconfig.load([write(tmp_path / "config", content)]).get("shop").user is None


def test_what_would_change_the_user_is_refused_and_not_dropped(tmp_path: Path) -> None:
    content = document("shop", user={"token": "x", "as": "admin"})

    with pytest.raises(errors.InputError, match="impersonation"):
        kubeconfig.load([write(tmp_path / "config", content)]).get("shop")


def test_proxy_and_tls_name_are_kept(tmp_path: Path) -> None:
    extra: Json = {"proxy-url": "http://proxy:3128", "tls-server-name": "api"}
    content = document("shop", **extra)

    cluster = kubeconfig.load([write(tmp_path / "config", content)]).get("shop").cluster

    assert (cluster.proxy, cluster.server_name) == ("http://proxy:3128", "api")  # type: ignore[attr-defined]  # ours


@pytest.mark.parametrize(
    ("text", "place"),
    [("users: [{user: {token: top-secret}]\n", ":1"), ("- a\n", ""), ("clusters: [{cluster: {}}]", "")],
    ids=["no YAML", "no mapping", "no name"],
)
def test_a_file_that_is_no_kubeconfig_names_itself_and_none_of_its_secrets(
    tmp_path: Path, text: str, place: str
) -> None:
    path = tmp_path / "config"
    path.write_text(text)

    with pytest.raises(errors.InputError) as caught:
        kubeconfig.load([path])

    assert caught.value.where == f"{path}{place}"
    assert "top-secret" not in str(caught.value)


def test_a_field_of_the_wrong_type_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "config", document("shop", server=7))

    with pytest.raises(errors.InputError, match="wrong type"):
        kubeconfig.load([path]).get("shop")


def test_the_document_for_a_token_holds_nothing_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("authority")
    content = document(
        "shop", user={"token": "own", "client-key-data": "key"}, **{"certificate-authority": "ca.pem"}
    )
    config = kubeconfig.load([write(tmp_path / "config", content)]).get("shop")

    made = kubeconfig.for_token(config, "lent")

    assert made["users"] == [{"name": "isthmus", "user": {"token": "lent"}}]
    assert made["clusters"][0]["cluster"] == {
        "server": "https://one:6443",
        "certificate-authority-data": base64.b64encode(b"authority").decode(),
    }
    assert "key" not in str(made["users"])


def test_the_users_own_document_is_whole(tmp_path: Path) -> None:
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "./login",
            "interactiveMode": "Never",
        }
    }
    config = kubeconfig.load([write(tmp_path / "config", document("shop", user=user))]).get("shop")

    made = kubeconfig.document(config)["users"][0]["user"]["exec"]

    assert made["command"] == str(tmp_path / "login")
    assert made["interactiveMode"] == "Never"


def test_credentials_are_not_in_repr(tmp_path: Path) -> None:
    contexts = kubeconfig.load([write(tmp_path / "config", document("shop"))])

    assert "top-secret" not in repr(contexts)
    assert "top-secret" not in repr(contexts.get("shop"))
