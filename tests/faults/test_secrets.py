"""Secrets in values: each test plants one, then searches everything that a run said, kept or left."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import secrets
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.faults import scenes, webhook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests import shops

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(900)]

FORMS = ("text", "json")
HOOK = """\
{{ if .Values.hook }}
apiVersion: v1
kind: Pod
metadata:
  name: db-check
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
spec: {restartPolicy: Never, containers: [{name: {{ .Values.word | quote }}, image: "example/check:1"}]}
{{ end }}
"""
BACK_HOOK = HOOK.replace("pre-install,pre-upgrade", "pre-rollback")
LABEL = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: db-label, labels: {word: {{ .Values.word | quote }}}}
"""


@dataclasses.dataclass
class Planted:
    """A secret whose core is random; whatever shows the core, in whatever encoding, has leaked it."""

    core: str = dataclasses.field(default_factory=lambda: secrets.token_hex(12))

    @property
    def text(self) -> str:
        """Return the secret, with what encoders like to escape."""
        return f"Tr0ub&4d'or\"<{self.core}>/+é"

    def needles(self) -> tuple[str, ...]:
        """Return the core as it is, in hex, and inside base64 at each of the three places it may start."""
        raw = self.core.encode()
        inner = [base64.b64encode(b"?" * lead + raw).decode()[4 if lead else 0 : -4] for lead in range(3)]
        return (self.core, self.core.upper(), raw.hex(), *inner)


class Search:
    """Looks for planted secrets in all that a shop's runs leave."""

    def __init__(self, shop: shops.Shop, scratch: Path, *planted: Planted) -> None:
        self.shop = shop
        self.scratch = scratch
        self.needles = tuple(needle for one in planted for needle in one.needles())
        self.seen: list[tuple[str, str]] = []

    def run(self, verb: str, *args: str, code: int | None = 0) -> shops.Done:
        """Run a verb, and search what it said."""
        done = self.shop.run(verb, *args, code=code)
        self.text(f"deploy {verb} {' '.join(args)}", done.said)
        return done

    def text(self, place: str, text: str) -> None:
        """Search one text."""
        for needle in self.needles:
            assert needle not in text, f"{place} shows a secret:\n{text[-3000:]}"

    def everywhere(self) -> None:
        """Search journals, locks, metadata, events, audit logs and temporary files."""
        for path in self.scratch.rglob("*"):
            if path.is_file():
                self.text(str(path), path.read_bytes().decode(errors="replace"))
        for name, cluster in self.shop.lab.clusters.items():
            for place, text in self._objects(name):
                self.text(f"{name}: {place}", text)
            self._audit(name, cluster.audit_log)

    def _audit(self, cluster: str, log: Path) -> None:
        """Search an audit log: without bodies, and without what the server itself answered."""
        with log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if self.shop.namespace not in line and not any(needle in line for needle in self.needles):
                    continue
                event = json.loads(line)
                assert event["level"] == "Metadata", event
                assert not {"requestObject", "responseObject"} & event.keys(), event
                event.pop("responseStatus", None)
                self.text(f"{cluster}: audit log", json.dumps(event))

    def _objects(self, cluster: str) -> Iterator[tuple[str, str]]:
        system = f"/api/v1/namespaces/{scenes.SYSTEM}"
        leases = f"/apis/coordination.k8s.io/v1/namespaces/{scenes.SYSTEM}/leases"
        for path in (f"{system}/configmaps", leases, f"{system}/events", f"{system}/serviceaccounts"):
            yield path, json.dumps(self.shop.get(cluster, path), ensure_ascii=False)
        for space in (system, f"/api/v1/namespaces/{self.shop.namespace}"):
            for secret in (self.shop.get(cluster, f"{space}/secrets") or {"items": []})["items"]:
                # Their data may hold secrets; what lists show beside it may not.
                meta = {key: value for key, value in secret["metadata"].items() if key != "managedFields"}
                yield f"Secret {meta['name']}", json.dumps(meta, ensure_ascii=False)

    @contextlib.contextmanager
    def processes(self) -> Iterator[None]:
        """Search command lines and environments of every helm that runs meanwhile."""
        found: set[str] = set()
        over = threading.Event()
        watcher = threading.Thread(target=lambda: _sample(found, over), daemon=True)
        watcher.start()
        yield
        over.set()
        watcher.join()
        assert any("upgrade" in text for text in found), "no helm was seen at work"
        for text in found:
            self.text("a process", text)


def _sample(found: set[str], over: threading.Event) -> None:
    while not over.is_set():
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                argv = (folder / "cmdline").read_bytes()
                if b"helm" in argv.split(b"\0", 1)[0]:
                    environ = (folder / "environ").read_bytes()
                    found.add((argv + b"\0" + environ).decode(errors="replace"))
        time.sleep(0.02)


@pytest.fixture
def scratch(shop: shops.Shop, tmp_path: Path) -> Path:
    """The only place for temporary files of the shop's runs."""
    place = tmp_path / "scratch"
    place.mkdir()
    shop.env = {**shop.env, "TMPDIR": str(place)}
    return place


def keep(shop: shops.Shop, text: str, *, name: str = "words", clusters: Iterable[str] = ()) -> None:
    """Put a text into a Secret that values come from, in some clusters or all."""
    for cluster in clusters or shop.clusters:
        data = {"values.yaml": base64.b64encode(text.encode()).decode()}
        path = f"/api/v1/namespaces/{shop.namespace}/secrets"
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
        shop.lab.api(cluster).ask("PUT", f"{path}/{name}", body)
        shop.lab.api(cluster).create(path, body)
    shop.spec["valuesFrom"] = [{"secret": name}]
    shop.write()


def plant(shop: shops.Shop, **words: Any) -> None:
    """Keep values in the Secret that the App names."""
    keep(shop, yaml.safe_dump(words, allow_unicode=True))


def template(shop: shops.Shop, name: str, text: str) -> None:
    """Add a template to the chart."""
    (shop.folder / "charts" / "db" / "templates" / name).write_text(text, encoding="utf-8")


def read_all(search: Search) -> None:
    """Run every verb that reads."""
    search.run("status")
    search.run("history", "-o", "json")
    search.run("history", "--operation", search.shop.history()[-1]["id"], "-v")


def test_a_rollout_that_succeeds_shows_no_secret(shop: shops.Shop, scratch: Path) -> None:
    kept, literal = Planted(), Planted()
    plant(shop, word=kept.text)
    shop.set({"password": literal.text})
    search = Search(shop, scratch, kept, literal)
    plan = shop.folder / "plan.json"

    search.run("diff", "-o", "json", "--save", str(plan), "-v")
    search.text("the saved plan", plan.read_text())
    with search.processes():
        search.run("up", "--plan", str(plan), "-v")
    read_all(search)
    shop.set({"version": "2"})
    search.run("up", "-o", "json")
    search.run("rollback", "-v")
    search.run("down", "-o", "json")

    search.everywhere()


def test_an_upgrade_that_fails_with_the_secret_in_its_mouth_hides_it(shop: shops.Shop, scratch: Path) -> None:
    kept = Planted()
    plant(shop, word=kept.text)
    template(shop, "hook.yaml", HOOK)
    search = Search(shop, scratch, kept)
    search.run("up")

    shop.set({"version": "2"}, central={"hook": True})
    done = search.run("up", "-v", code=1)
    assert "db-check" in done.said
    assert "***" in done.said
    shop.set({"version": "3"})
    search.run("up", "-o", "json", code=1)

    read_all(search)
    search.everywhere()


def test_the_way_back_hides_the_secret_that_was_used_before(shop: shops.Shop, scratch: Path) -> None:
    before, after = Planted(), Planted()
    plant(shop, word=before.text, hook=True)
    template(shop, "hook.yaml", BACK_HOOK)
    search = Search(shop, scratch, before, after)
    search.run("up")

    plant(shop, word=after.text)
    shop.spec["rollout"]["timeout"] = "6s"
    shop.set({"version": "2"}, central={"never": True})
    done = search.run("up", "-v", code=1)

    assert "db-check" in done.said  # the old revision's hook, with the old word in it
    assert shop.history()[-1]["outcome"] == "needs-human"
    search.run("resume", "-v", code=1)
    read_all(search)
    search.run("abort")
    search.run("rollback", "-v", code=None)
    search.everywhere()


def test_a_killed_upgrade_and_its_resume_show_no_secret(shop: shops.Shop, scratch: Path) -> None:
    kept = Planted()
    plant(shop, word=kept.text)
    template(shop, "hook.yaml", HOOK)
    search = Search(shop, scratch, kept)
    search.run("up")
    shop.set({"version": "2", "readyAfter": "3s"}, central={"hook": True})

    running = shop.spawn("up")
    scenes.until("west upgraded", lambda: shop.version("west") == "2")
    running.send_signal(signal.SIGKILL)
    out, _ = running.communicate(timeout=30)
    search.text("the killed run", out)
    search.everywhere()
    done = search.run("resume", "-v", code=1)

    assert "db-check" in done.said
    read_all(search)
    search.everywhere()


def test_a_template_that_fails_with_the_secret_in_its_mouth_hides_it(shop: shops.Shop, scratch: Path) -> None:
    kept, literal = Planted(), Planted()
    number = secrets.randbelow(10**15) + 10**15
    plant(shop, word=kept.text, code=number)
    shop.set({"password": literal.text})
    words = (
        '(printf "%s %s %d" .Values.word .Values.password (.Values.code | int64))',
        '(printf "%q %q" .Values.word .Values.password)',
        "(b64enc .Values.word)",
        '(printf "user:%s!" .Values.word | b64enc)',
        "(toJson .Values)",
        "(urlquery .Values.word)",
        "(toYaml .Values)",
    )
    template(shop, "bad.yaml", '{{ fail (printf "no: %s %s %s %s %s %s %s" ' + " ".join(words) + ") }}")
    search = Search(shop, scratch, kept, literal, Planted(core=str(number)))
    for verb, output in (("diff", "text"), ("up", "json")):
        done = search.run(verb, "-o", output, "-v", code=2)
        assert "no: ***" in done.said
    search.everywhere()


def test_a_schema_that_quotes_the_secret_hides_it(shop: shops.Shop, scratch: Path) -> None:
    kept = Planted()
    plant(shop, word=kept.text)
    schema = {"properties": {"word": {"pattern": "^[a-z]+$"}}}
    (shop.folder / "charts" / "db" / "values.schema.json").write_text(json.dumps(schema))
    search = Search(shop, scratch, kept)

    done = search.run("diff", "-v", code=2)

    assert "word" in done.said
    search.everywhere()


def test_a_secret_whose_yaml_is_broken_is_named_and_not_quoted(shop: shops.Shop, scratch: Path) -> None:
    kept = Planted()
    search = Search(shop, scratch, kept)
    core = kept.core
    for text in (f'word: "{core}', f"- {core}", core, f"word: {core}: x: [", f"{core}: !!python/none 1"):
        keep(shop, text)
        done = search.run("up", "-o", "json", "-v", code=2)
        scenes.check_words(done, "Secret", "words")
    search.everywhere()


def test_a_literal_secret_in_a_broken_folder_is_not_quoted(shop: shops.Shop, scratch: Path) -> None:
    kept = Planted()
    search = Search(shop, scratch, kept)
    shop.set({"password": kept.core})
    whole = (shop.folder / "shop.yaml").read_text()
    for broken in (
        whole.replace(kept.core, f'"{kept.core}'),
        whole.replace(kept.core, f"{kept.core}: x"),
        whole.replace(f"password: {kept.core}", f"password: [{kept.core}"),
    ):
        (shop.folder / "shop.yaml").write_text(broken)
        search.run("diff", "-v", code=2)


def test_a_server_that_quotes_the_secret_hides_it_in_the_plan(shop: shops.Shop, scratch: Path) -> None:
    kept = Planted()
    plant(shop, word=kept.text)
    template(shop, "label.yaml", LABEL)
    search = Search(shop, scratch, kept)
    plan = shop.folder / "plan.json"

    for output in FORMS:
        done = search.run("diff", "-o", output, "--save", str(plan), "-v", code=1)
        assert "Invalid value" in done.said
        assert "***" in done.said
        assert not plan.exists()
    search.run("up", "-o", "json", code=1)
    search.everywhere()


def test_a_webhook_that_quotes_secrets_old_and_new_hides_both(
    shop: shops.Shop, scratch: Path, tmp_path: Path
) -> None:
    before, after = Planted(), Planted()
    search = Search(shop, scratch, before, after)
    plant(shop, word=before.text)
    search.run("up")
    plant(shop, word=after.text)
    plan = shop.folder / "plan.json"

    def judge(request: webhook.Review) -> str:
        return f"such a word: {request['object'].get('data', {}).get('word')}"

    with webhook.denying(shop.lab, "central", shop.namespace, tmp_path, judge):
        done = search.run("diff", "-o", "json", "--save", str(plan), "-v", code=1)
        assert "such a word: ***" in done.said
        assert not plan.exists()
        search.run("up", code=1)
        search.run("rollback", "-v", code=None)
    search.everywhere()


def test_an_install_that_the_server_refuses_in_mid_flight_hides_the_secret(
    shop: shops.Shop, scratch: Path, tmp_path: Path
) -> None:
    kept = Planted()
    plant(shop, word=kept.text)
    search = Search(shop, scratch, kept)

    def judge(request: webhook.Review) -> str:
        said = request["object"].get("data", {}).get("word", "")
        return "" if request.get("dryRun") else f"such a word: {json.dumps(said)} or {said!r}"

    with webhook.denying(shop.lab, "east", shop.namespace, tmp_path, judge):
        done = search.run("up", "-v", code=1)
    assert "such a word" in done.said
    read_all(search)
    search.everywhere()
