"""What teams sign, what voids it, and what an attacker with the folder can and cannot do."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.cli import main
from isthmus.clients import signature, signer
from isthmus.model import fleet, folder, team
from isthmus.network import place, plan
from isthmus.network.consent import agreement, parts, seal, unsigned
from tests.plan import teams

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> teams.Shop:
    place = tmp_path / "shop"
    place.mkdir()
    made = teams.Shop(place, capsys, dict(teams.OWNERS), {name: [name] for name in teams.OWNERS})
    made.write()
    return made


@pytest.fixture
def agreed(shop: teams.Shop) -> teams.Shop:
    shop.sign_all()
    assert shop.required() == []
    return shop


def contents(shop: teams.Shop) -> dict[team.Part, str]:
    parsed = folder.parse([("fleet.yaml", (shop.folder / "fleet.yaml").read_text())])
    assert parsed.folder is not None, parsed.findings
    made = plan.plan(parsed.folder)
    return {part: parts.content(part, parsed.folder, made) for part in team.Part}


CHANGES = [
    ("10.96.0.0/12", "10.112.0.0/12", {team.Part.ADDRESSING}),
    ("routing: tunnel,", "routing: tunnel, mtu: 1400,", {team.Part.DATAPATH}),
    ("vxlan", "geneve", {team.Part.DATAPATH, team.Part.FIREWALL}),
    ("shop.local", "shop.test", {team.Part.MESH}),
    ("name: west, id: 1", "name: west, id: 1, account: a", {team.Part.CLUSTERS}),
    ("id: 1, nodes: 3", "id: 1, nodes: 3, istio: {network: n2}", {team.Part.MESH, team.Part.FIREWALL}),
    ("nodes: 3}\n  - {name: east", "nodes: 3} # a word\n  - {name: east", set()),
    ("mesh: {istio: {trust", "mesh: {istio: {meshId: mesh1, trust", set()),
    ("id: 1, nodes: 3", "id: 1, nodes: 3, pods: 10.0.0.0/22", set()),
    ("  clusters:\n", "  witness: {context: w}\n  clusters:\n", {team.Part.CLUSTERS, team.Part.FIREWALL}),
]


@pytest.mark.parametrize(("before", "after", "touched"), CHANGES)
def test_a_change_touches_the_text_of_its_own_part_alone(
    before: str, after: str, touched: set[team.Part], shop: teams.Shop
) -> None:
    first = contents(shop)
    shop.change(before, after)
    second = contents(shop)

    # Quotas are asked for by cluster, so they may follow.
    assert {part for part in team.Part if first[part] != second[part]} - {team.Part.QUOTAS} == touched


def test_the_order_of_clusters_and_teams_in_the_file_is_no_change(shop: teams.Shop) -> None:
    first = contents(shop)
    lines = shop.fleet.splitlines(keepends=True)
    shop.fleet = "".join([*lines[:-3], *reversed(lines[-3:])])
    shop.owners = dict(reversed(shop.owners.items()))
    shop.write()

    assert contents(shop) == first


def test_every_field_of_a_fleet_is_in_a_part(shop: teams.Shop) -> None:
    stated = {each.alias for each in fleet.FleetSpec.model_fields.values()}
    assert stated >= parts.SPEC_PARTS
    claimed = parts.IN_ADDRESSING | parts.IN_DATAPATH | parts.IN_MESH
    assert claimed <= {each.alias for each in fleet.Cluster.model_fields.values()}


def test_text_in_a_field_cannot_pass_for_another_field(shop: teams.Shop) -> None:
    shop.change("name: west, id: 1", 'name: west, id: 1, region: "x; nodes 9; cluster y: id 4"')

    text = contents(shop)[team.Part.CLUSTERS]

    assert 'region "x; nodes 9; cluster y: id 4"' in text
    assert len(text.splitlines()) == 4 + 3


@pytest.mark.parametrize("part", [each for each in team.Part if each is not team.Part.TEAMS])
def test_a_text_names_fleet_and_part_and_ends_with_a_newline(part: team.Part, shop: teams.Shop) -> None:
    text = contents(shop)[part]

    assert text.startswith(f"isthmus plan, format 1\nfleet: shop\npart: {part.value}\n\n")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_real_ssh_keygen_verifies_what_a_team_signed(agreed: teams.Shop, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(f"network {teams.public('network')}\n")
    texts = sorted(agreed.signatures.glob("*.network.txt"))
    assert [each.name for each in texts] == [
        f"{part}.network.txt" for part in ("addressing", "datapath", "firewall")
    ]

    for text in [*texts, agreed.signatures / "teams.1.txt"]:
        name = "teams.1.network.sig" if text.name == "teams.1.txt" else f"{text.stem}.sig"
        command = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", "network", "-n", seal.NAMESPACE]
        command += ["-s", str(agreed.signatures / name)]
        subprocess.run(command, input=text.read_bytes(), check=True, capture_output=True)


def test_a_text_that_is_printed_and_signed_elsewhere_is_taken_back(shop: teams.Shop, tmp_path: Path) -> None:
    words = ["plan", "sign", "-f", str(shop.folder), "--team", "network", "--part", "addressing"]
    assert main.main([*words, "--print"]) == 0
    text = tmp_path / "addressing.txt"
    text.write_text(shop.capsys.readouterr().out)
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(shop.key_file("network")), "-n", seal.NAMESPACE]
    subprocess.run([*command, str(text)], check=True)

    assert main.main([*words, "--signature", f"{text}.sig"]) == 0

    assert not [words for _, words in shop.required() if words.startswith("addressing")]


def test_nothing_is_said_while_nobody_began_to_sign(shop: teams.Shop) -> None:
    assert shop.check() == (0, [])


def test_a_word_is_said_of_what_is_not_signed_once_somebody_did(shop: teams.Shop) -> None:
    shop.sign("mesh", "--part", "mesh")

    code, told = shop.check()

    assert code == 0
    assert {(each["code"], each["severity"]) for each in told} == {("signature-missing", "info")}


def test_each_missing_signature_is_an_error_at_its_team(shop: teams.Shop) -> None:
    _, told = shop.check("--require-signatures")

    assert {(each["message"], each["line"]) for each in told if each["severity"] == "error"} == {
        (f"{part} is not agreed to by team '{name}': it has not signed", line)
        for line, (name, owns) in enumerate(teams.OWNERS.items(), start=12)
        for part in [*owns.split(", "), "teams"]
    }
    assert {each["file"] for each in told} == {str(shop.folder / "fleet.yaml")}


def test_a_fleet_without_teams_cannot_be_signed(shop: teams.Shop) -> None:
    shop.owners = {}
    shop.write()

    assert shop.codes() == ["no-teams"]
    assert shop.sign("network") == 2


def test_an_owner_without_keys_is_an_error(shop: teams.Shop) -> None:
    shop.keys["cloud"] = []
    shop.write()
    shop.sign("network")
    shop.sign("mesh")

    assert shop.codes() == ["team-without-keys", "team-without-keys"]


def test_a_later_change_voids_the_part_it_touches_and_shows_the_change(agreed: teams.Shop) -> None:
    agreed.change("shop.local", "shop.test")

    words = "mesh is not agreed to by team 'mesh': the part changed since it was signed"
    [(code, message)] = agreed.required()
    assert code == "signature-stale"
    assert message.splitlines() == [
        f"{words} ({agreed.signatures}/mesh.mesh.sig)",
        "    -istio.trustDomain: shop.local",
        "    +istio.trustDomain: shop.test",
    ]
    assert agreed.sign("mesh") == 0
    assert agreed.required() == []


def test_only_what_is_not_signed_is_signed_and_shown(agreed: teams.Shop) -> None:
    agreed.change("shop.local", "shop.test")
    agreed.sign("mesh")
    told = agreed.capsys.readouterr().out

    assert "+istio.trustDomain: shop.test" in told
    assert "fleet: shop" not in told
    assert agreed.sign("mesh") == 0
    assert "agrees to everything" in agreed.capsys.readouterr().out


def seal_as(name: str, text: str, *, namespace: str = seal.NAMESPACE) -> str:
    key = teams.key(name)
    made = signer.Private(
        teams.public(name),
        lambda message: signature.string(b"ssh-ed25519") + signature.string(key.sign(message)),
    )
    return signature.sign(made, text, namespace=namespace)


def test_a_forged_signature_is_told(agreed: teams.Shop) -> None:
    path = agreed.signatures / "addressing.network.sig"
    lines = path.read_text().splitlines()
    blob = bytearray(base64.b64decode("".join(lines[1:-1])))
    blob[-1] ^= 1
    path.write_text("\n".join([lines[0], base64.b64encode(bytes(blob)).decode(), lines[-1]]))

    assert agreed.codes() == ["signature-forged"]


def test_an_edited_text_beside_a_signature_proves_nothing(agreed: teams.Shop) -> None:
    agreed.change("10.96.0.0/12", "10.112.0.0/12")
    text = agreed.signatures / "addressing.network.txt"
    text.write_text(contents(agreed)[team.Part.ADDRESSING])

    assert agreed.codes() == ["signature-forged"]


def test_an_old_signature_of_an_old_text_is_stale(agreed: teams.Shop) -> None:
    old = {each: each.read_text() for each in agreed.signatures.glob("addressing.*")}
    agreed.change("10.96.0.0/12", "10.112.0.0/12")
    agreed.sign("network")
    assert agreed.required() == []
    for path, text in old.items():
        path.write_text(text)

    assert agreed.codes() == ["signature-stale"]


def test_a_signature_of_another_fleet_is_replayed(agreed: teams.Shop) -> None:
    for kind in ("txt", "sig"):
        path = agreed.signatures / f"mesh.mesh.{kind}"
        path.write_text(path.read_text())
    agreed.change("metadata: {name: shop}", "metadata: {name: other}")

    codes = agreed.codes()

    assert codes.count("signature-replayed") == 6
    assert "teams-chain-broken" in codes


def test_a_signature_of_another_part_is_replayed(agreed: teams.Shop) -> None:
    for kind in ("txt", "sig"):
        shutil.copy(
            agreed.signatures / f"datapath.network.{kind}", agreed.signatures / f"firewall.network.{kind}"
        )

    [(code, words)] = agreed.required()

    assert code == "signature-replayed"
    assert "part: datapath" in words


def test_a_signature_for_another_purpose_is_replayed(agreed: teams.Shop) -> None:
    text = (agreed.signatures / "mesh.mesh.txt").read_text()
    (agreed.signatures / "mesh.mesh.sig").write_text(seal_as("mesh", text, namespace="git"))

    assert agreed.codes() == ["signature-replayed"]


def test_another_teams_signature_is_told_with_its_owner(agreed: teams.Shop) -> None:
    text = (agreed.signatures / "mesh.mesh.txt").read_text()
    (agreed.signatures / "mesh.mesh.sig").write_text(seal_as("cloud", text))

    [(code, words)] = agreed.required()

    assert code == "signature-foreign"
    assert "a key of team 'cloud', not 'mesh'" in words


@pytest.mark.parametrize("content", [b"yes, I agree\n", b"", b"\xff\x00"])
def test_a_file_that_is_no_signature_is_told(agreed: teams.Shop, content: bytes) -> None:
    (agreed.signatures / "mesh.mesh.sig").write_bytes(content)

    assert agreed.codes() == ["signature-unreadable"]


def test_a_team_signs_with_its_own_keys_and_its_own_parts_only(
    shop: teams.Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.sign("mesh", key="cloud") == 2
    assert "is no key with which team 'mesh' signs mesh" in capsys.readouterr().err
    assert shop.sign("mesh", "--part", "addressing") == 2
    assert "team 'mesh' has no say in addressing" in capsys.readouterr().err
    assert shop.sign("nobody", key="mesh") == 2
    assert not shop.signatures.exists()


def test_nothing_is_signed_without_a_word_from_somebody(shop: teams.Shop) -> None:
    words = ["plan", "sign", "-f", str(shop.folder), "--team", "mesh"]

    assert main.main([*words, "--key", str(shop.key_file("mesh"))]) == 2
    assert not shop.signatures.exists()


# --- the teams themselves ---


def test_a_key_is_rotated_by_all_teams_with_their_old_keys(agreed: teams.Shop) -> None:
    agreed.keys["mesh"] = ["mesh-2"]
    agreed.write()
    assert agreed.codes() == ["signature-stale"] * 3

    assert agreed.sign("mesh", "--part", "teams", key="mesh-2") == 2
    assert agreed.sign("mesh", "--part", "teams") == 0
    assert agreed.sign("network") == 0
    assert agreed.codes() == ["signature-missing"]
    assert agreed.sign("cloud") == 0

    # From here on the old key is a stranger's, and what it signed is signed anew.
    assert agreed.codes() == ["signature-foreign"]
    assert agreed.sign("mesh", key="mesh") == 2
    assert agreed.sign("mesh", key="mesh-2") == 0
    assert agreed.required() == []


def test_whoever_swaps_a_key_in_the_fleet_and_signs_with_it_gets_nowhere(agreed: teams.Shop) -> None:
    agreed.keys["network"] = ["mallory"]
    agreed.change("10.96.0.0/12", "10.112.0.0/12")
    assert agreed.sign("network", key="mallory") == 2

    # With tools of his own he writes every file that he can make.
    texts = contents(agreed)
    (agreed.signatures / "addressing.network.txt").write_text(texts[team.Part.ADDRESSING])
    (agreed.signatures / "addressing.network.sig").write_text(seal_as("mallory", texts[team.Part.ADDRESSING]))
    first = (agreed.signatures / "teams.1.txt").read_text()
    parsed = folder.parse([("fleet.yaml", (agreed.folder / "fleet.yaml").read_text())]).folder
    assert parsed is not None
    second = parts.content(team.Part.TEAMS, parsed, plan.plan(parsed), previous=first)
    (agreed.signatures / "teams.2.txt").write_text(second)
    for name in teams.OWNERS:
        (agreed.signatures / f"teams.2.{name}.sig").write_text(seal_as("mallory", second))

    assert agreed.codes() == ["signature-foreign"] * 4
    assert all("a key that no team has" in words for _, words in agreed.required())


def test_a_chain_begun_anew_is_seen_by_who_trusts_the_old_one(agreed: teams.Shop) -> None:
    _, told = agreed.check("--require-signatures")
    [first_use] = [each for each in told if each["code"] == "teams-first-use"]
    found = re.search(r"sha256:[0-9a-f]{64}", first_use["remedy"])
    assert found is not None
    assert agreed.required("--trust", found[0]) == []

    shutil.rmtree(agreed.signatures)
    agreed.keys = {name: ["mallory-" + name] for name in agreed.owners}
    agreed.write()
    for name in agreed.owners:
        assert agreed.sign(name, key="mallory-" + name) == 0

    assert agreed.required() == []  # trust on first use sees nothing else
    assert agreed.codes("--trust", found[0]) == ["teams-untrusted"]


def test_a_chain_that_is_cut_back_to_a_rotated_key_is_seen(agreed: teams.Shop) -> None:
    before = {each.name: each.read_text() for each in agreed.signatures.iterdir()}
    fleet_before = (agreed.folder / "fleet.yaml").read_text()
    agreed.keys["mesh"] = ["mesh-2"]
    agreed.write()
    for name in agreed.owners:
        agreed.sign(name, "--part", "teams")
    agreed.sign("mesh", key="mesh-2")
    agreed.capsys.readouterr()
    digest = _digest(agreed)
    assert agreed.required("--trust", digest) == []

    for path in agreed.signatures.iterdir():
        path.unlink()
    for name, text in before.items():
        (agreed.signatures / name).write_text(text)
    (agreed.folder / "fleet.yaml").write_text(fleet_before)

    assert agreed.codes("--trust", digest) == ["teams-untrusted"]


def _digest(shop: teams.Shop) -> str:
    _, told = shop.check("--require-signatures")
    [first_use] = [each for each in told if each["code"] == "teams-first-use"]
    return str(first_use["remedy"].split()[-1])


def test_a_link_that_is_missing_breaks_the_chain(agreed: teams.Shop) -> None:
    (agreed.signatures / "teams.3.txt").write_text("isthmus plan, format 1\n")

    [(code, words)] = agreed.required()

    assert code == "teams-chain-broken"
    assert "teams.2.txt is missing before teams.3.txt" in words


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("fleet: shop", "fleet: other", "teams-chain-broken"),
        ("generation: 1", "generation: 2", "teams-chain-broken"),
        ("part: teams", "part: mesh", "teams-chain-broken"),
        ("owns: mesh", "owns: mesh, quotas", "signature-forged"),
    ],
)
def test_an_edited_link_is_seen(before: str, after: str, code: str, agreed: teams.Shop) -> None:
    path = agreed.signatures / "teams.1.txt"
    path.write_text(path.read_text().replace(before, after))

    assert code in agreed.codes()


def test_a_new_team_is_countersigned_by_all_that_are_there(agreed: teams.Shop) -> None:
    agreed.owners["audit"], agreed.keys["audit"] = "datapath", ["audit"]
    agreed.write()
    assert agreed.sign("audit", "--part", "teams") == 0
    assert agreed.codes() == ["signature-missing"] * 3

    for name in ("network", "mesh", "cloud"):
        assert agreed.sign(name, "--part", "teams") == 0

    assert [words for _, words in agreed.required()] == [
        "datapath is not agreed to by team 'audit': it has not signed"
    ]


def test_a_new_team_that_did_not_sign_itself_is_not_in(agreed: teams.Shop) -> None:
    agreed.owners["audit"], agreed.keys["audit"] = "datapath", ["audit"]
    agreed.write()
    for name in ("network", "mesh", "cloud"):
        assert agreed.sign(name, "--part", "teams") == 0

    assert [words.splitlines() for _, words in agreed.required()] == [
        [
            "teams is not agreed to by team 'audit': it has not signed",
            "    +team: audit",
            "    +owns: datapath",
            f"    +key: {teams.public('audit')}",
        ]
    ]


def test_no_team_can_put_another_out(agreed: teams.Shop) -> None:
    del agreed.owners["mesh"]
    agreed.owners["network"] += ", mesh"
    agreed.write()
    for name in ("network", "cloud"):
        assert agreed.sign(name, "--part", "teams") == 0

    told = [words.splitlines()[0] for _, words in agreed.required()]
    assert "teams is not agreed to by team 'mesh': it has not signed" in told
    assert agreed.sign("mesh", "--part", "teams") == 0
    assert agreed.sign("network") == 0
    assert agreed.required() == []


def test_a_pending_change_that_is_changed_again_is_signed_anew(agreed: teams.Shop) -> None:
    agreed.keys["mesh"] = ["mesh-2"]
    agreed.write()
    agreed.sign("network", "--part", "teams")
    agreed.keys["mesh"] = ["mesh-3"]
    agreed.write()

    assert agreed.codes() == ["signature-stale"] * 3
    agreed.sign("cloud", "--part", "teams")

    names = sorted(each.name for each in agreed.signatures.glob("teams.2.*"))
    assert names == ["teams.2.cloud.sig", "teams.2.txt"]


def test_nothing_is_signed_behind_a_broken_chain(agreed: teams.Shop) -> None:
    path = agreed.signatures / "teams.1.txt"
    path.write_text(path.read_text().replace("generation: 1", "generation: 7"))
    agreed.keys["mesh"] = ["mesh-2"]
    agreed.write()

    assert agreed.sign("network") == 2
    assert "generation: 7" in path.read_text()


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("name: mesh", "name: network", "duplicate-team"),
        (teams.public("mesh"), "ssh-ed25519 AAAA", "team-key-damaged"),
        (teams.public("mesh"), teams.public("network"), "key-of-two-teams"),
    ],
)
def test_teams_that_are_not_sound_neither_sign_nor_pass(
    before: str, after: str, code: str, agreed: teams.Shop
) -> None:
    path = agreed.folder / "fleet.yaml"
    path.write_text(path.read_text().replace(before, after))

    words = ["plan", "sign", "-f", str(agreed.folder), "--team", "network", "--yes"]
    assert main.main([*words, "--key", str(agreed.key_file("network"))]) == 2
    assert code in agreed.codes()


def opened(armored: str) -> bytes | None:
    """Return what an armored signature holds: white space and bits that pad it are nothing."""
    try:
        return base64.b64decode("".join(armored.split()[3:-3]), validate=True)
    except ValueError:
        return None


FILES = st.sampled_from(
    ["teams.1.txt", "teams.2.txt", "teams.1.mesh.sig", "mesh.mesh.txt", "mesh.mesh.sig", "teams.txt", "x.sig"]
)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_lies_in_the_folder_is_judged_and_never_raises(
    agreed: teams.Shop, data: st.DataObject
) -> None:
    parsed = folder.parse([("fleet.yaml", (agreed.folder / "fleet.yaml").read_text())]).folder
    assert parsed is not None
    shelf = {each.name: each.read_text() for each in agreed.signatures.iterdir()}
    name = data.draw(FILES)
    text = shelf.get(name, "")
    at = data.draw(st.integers(0, len(text)))
    changed = text[:at] + data.draw(st.text(max_size=4)) + text[at + data.draw(st.integers(0, 40)) :]

    found = agreement.read(parsed, plan.plan(parsed), {**shelf, name: changed}, signature.verify)

    told = unsigned.findings(
        found, parsed, place.Places(parsed), folder_name="signatures", required=True, trusted=None
    )
    touched = [each for each in told if each.severity.value == "error"]
    is_unsigned = name in {"mesh.mesh.txt", "x.sig", "teams.txt"}
    is_same = name.endswith(".sig") and opened(changed) == opened(text)
    assert touched or is_unsigned or is_same or changed == text
    assert all(each.message.isprintable() or "\n    " in each.message for each in touched)


def test_one_key_for_two_teams_is_refused(shop: teams.Shop) -> None:
    from isthmus.network.consent import teams as judged

    shop.keys["mesh"] = ["network"]
    shop.write()
    parsed = folder.parse([("fleet.yaml", (shop.folder / "fleet.yaml").read_text())]).folder
    assert parsed is not None

    [found] = judged.findings(parsed, place.Places(parsed))

    assert (found.code, found.line) == ("key-of-two-teams", 13)


def test_a_text_of_teams_cannot_write_to_the_terminal(agreed: teams.Shop) -> None:
    text = (agreed.signatures / "teams.1.txt").read_text()
    (agreed.signatures / "teams.1.txt").write_text(text.replace("fleet: shop", "fleet: sh\x1b[2Jop"))

    assert all(each.isprintable() for _, each in agreed.required())


def test_a_digest_to_trust_that_is_none_is_refused(
    agreed: teams.Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["plan", "check", "-f", str(agreed.folder), "--trust", "sha256:4be1..."]) == 2
    assert "64" in capsys.readouterr().err
