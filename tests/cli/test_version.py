from __future__ import annotations

import json
import platform
import subprocess
import sys

import isthmus


def _said(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", *words], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_version_as_json_names_isthmus_python_and_the_pins() -> None:
    facts = json.loads(_said("version", "-o", "json"))

    assert (facts["isthmus"], facts["python"]) == (isthmus.__version__, platform.python_version())
    network = {"kubelet", "containerd", "runc", "cni", "coredns", "cilium", "istio"}
    assert set(facts["lab"]) == {"etcd", "kubernetes", "kwok", "helm", "helmfile", *network}


def test_the_text_form_names_helm_or_says_that_there_is_none() -> None:
    assert "\nhelm" in _said("version")


def test_the_flag_and_the_verb_agree() -> None:
    assert _said("--version") == f"isthmus {isthmus.__version__}\n"
