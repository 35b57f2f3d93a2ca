"""What answers prove: ok only where the right cluster answered, and the failing leg is named."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.engine.connect import asking, verify
from isthmus.model import errors
from isthmus.render import verify as render
from isthmus.rollout.connect.proof import answers, judge, questions, sidecars

Leg = questions.Leg
State = judge.State
WEST = answers.Try(answer="west", millis=1.0)
EAST = answers.Try(answer="east", millis=3.0)
WHO = "spiffe://shop.local/ns/isthmus-probe-mesh/sa/probe-west"
NO_HEALTHY = "HTTP 503: no healthy upstream"
UNTOLD = "HTTP 503: upstream connect error. reset reason: remote connection failure"
DISTRUSTED = (
    "HTTP 503: upstream connect error or disconnect/reset before headers. retried and the latest reset \
reason: remote connection failure, transport failure reason: TLS_error:|268435581:SSL \
routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end"
)
NOBODY = answers.Try(error="dial tcp 10.0.1.9:9000: i/o timeout")


def _question(leg: Leg = Leg.POD_TCP, *targets: str, planned: int | None = None) -> questions.Question:
    return questions.Question(source="west", leg=leg, targets=targets or ("east",), planned=planned)


@pytest.mark.parametrize(
    ("tries", "state", "why"),
    [
        ([EAST, EAST], State.OK, ""),
        ([NOBODY, EAST], State.OK, ""),
        ([NOBODY, NOBODY], State.FAILED, "dial tcp 10.0.1.9:9000: i/o timeout"),
        ([EAST, WEST], State.FAILED, "west answered instead"),
        ([], State.FAILED, "nobody answered"),
    ],
)
def test_a_leg_is_ok_where_the_right_cluster_answers(
    tries: list[answers.Try], state: State, why: str
) -> None:
    found = judge.reached(_question(), tries)["east"]

    assert (found.state, found.why) == (state, why)


@pytest.mark.parametrize(
    ("tries", "west", "east"),
    [
        ([WEST, EAST] * 10, State.OK, State.OK),
        ([WEST] * 20, State.OK, State.FAILED),
        ([WEST] * 3, State.OK, State.NOT_PROVED),
        ([NOBODY] * 20, State.FAILED, State.FAILED),
        ([answers.Try(answer="stranger")] * 20, State.FAILED, State.FAILED),
    ],
)
def test_a_shared_service_is_ok_for_each_cluster_that_answers(
    tries: list[answers.Try], west: State, east: State
) -> None:
    found = judge.shared(_question(Leg.SERVICE_LOCAL, "west", "east"), tries)

    assert (found["west"].state, found["east"].state) == (west, east)


@pytest.mark.parametrize(
    ("whole", "state"), [(1350, State.OK), (1450, State.OK), (1349, State.FAILED), (None, State.FAILED)]
)
def test_a_packet_fails_below_the_plan(whole: int | None, state: State) -> None:
    found = judge.packet(_question(Leg.PACKET, planned=1350), judge.Packets(whole=whole))["east"]

    assert found.state is state
    assert found.figures["planned"] == 1350


@pytest.mark.parametrize(
    ("found", "state", "why"),
    [
        (answers.Stream(answer="east", size=1_000_000, millis=80.0, before=0.5, during=2.0), State.OK, ""),
        (answers.Stream(answer="west", size=1, millis=1.0), State.FAILED, "west answered instead"),
        (answers.Stream(answer="east", size=9, millis=1.0, error="broken pipe"), State.FAILED, "broken pipe"),
        (answers.Stream(error="i/o timeout"), State.FAILED, "i/o timeout"),
        (answers.Stream(answer="east"), State.FAILED, "nothing was sent"),
    ],
)
def test_a_stream_counts_where_the_right_cluster_read_all_of_it(
    found: answers.Stream, state: State, why: str
) -> None:
    proof = judge.streamed(_question(Leg.THROUGHPUT), found)["east"]

    assert (proof.state, proof.why) == (state, why)
    assert proof.figures == ({"mbit_s": 100.0, "processors": 1.5} if state is State.OK else {})


def test_a_probe_of_another_version_is_no_stream() -> None:
    with pytest.raises(ValueError, match="no outcome"):
        answers.stream('{"millis": 1}')


def _proof(leg: Leg, state: State, **figures: float) -> judge.Proof:
    return judge.Proof(leg=leg, state=state, figures=figures)


@pytest.mark.parametrize(
    ("tcp", "other", "again"),
    [
        (State.OK, _proof(Leg.POD_UDP, State.FAILED), True),
        (State.OK, _proof(Leg.SERVICE_REMOTE, State.FAILED), True),
        (State.OK, _proof(Leg.POD_UDP, State.OK), False),
        (State.OK, _proof(Leg.POD_UDP, State.NOT_PROVED), False),
        (State.FAILED, _proof(Leg.POD_UDP, State.FAILED), False),
        (State.NOT_PROVED, _proof(Leg.POD_UDP, State.FAILED), False),
        (State.OK, _proof(Leg.PACKET, State.FAILED, planned=1350), True),
        (State.OK, _proof(Leg.PACKET, State.FAILED, planned=1350, largest=1260), False),
    ],
)
def test_what_fails_between_pods_that_do_reach_each_other_is_asked_again(
    tcp: State, other: judge.Proof, again: bool
) -> None:
    asked = [_question(Leg.POD_TCP), _question(other.leg)]

    found = judge.doubtful(asked, [{"east": _proof(Leg.POD_TCP, tcp)}, {"east": other}])

    assert found == (asked[1:] if again else [])


@pytest.mark.parametrize(
    ("before", "denied", "other", "state"),
    [
        (EAST, NOBODY, EAST, State.OK),
        (EAST, EAST, EAST, State.FAILED),
        (NOBODY, NOBODY, EAST, State.NOT_PROVED),
        (EAST, NOBODY, NOBODY, State.NOT_PROVED),
    ],
)
def test_silence_under_a_policy_proves_it_only_where_the_port_was_open_before(
    before: answers.Try, denied: answers.Try, other: answers.Try, state: State
) -> None:
    policed = judge.Policed(before=(before,), denied=(denied,), other=(other,))

    assert judge.policed(_question(Leg.POLICY), policed)["east"].state is state


def test_latency_tells_percentiles_and_fails_where_a_request_is_lost() -> None:
    tries = [answers.Try(answer="east", millis=float(each)) for each in range(1, 101)]

    whole = judge.timed(_question(Leg.LATENCY), tries)["east"]
    lossy = judge.timed(_question(Leg.LATENCY), [*tries, NOBODY])["east"]

    assert whole.figures == {"requests": 100.0, "p50_ms": 50.0, "p99_ms": 99.0}
    assert (whole.state, lossy.state) == (State.OK, State.FAILED)


@given(st.lists(st.sampled_from(State), min_size=1))
def test_a_cell_is_as_bad_as_its_worst_leg(states: list[State]) -> None:
    proofs = tuple(judge.Proof(leg=Leg.POD_TCP, state=each) for each in states)

    found = judge.Cell(source="west", target="east", proofs=proofs).state

    assert found is max(states, key=judge.RANK.index)


def test_where_nothing_was_asked_nothing_is_proved() -> None:
    assert judge.Cell(source="west", target="east", proofs=()).state is State.NOT_PROVED


def test_what_the_probe_prints_is_read() -> None:
    lines = (
        {"answer": "east 64", "millis": 0.5},
        {"millis": 3.1, "error": "no answer"},
        {"answer": "x", "status": 503, "millis": 1},
    )
    text = "".join(json.dumps(each) + "\n" for each in lines)

    assert answers.read(text) == (
        answers.Try(answer="east", size=64, millis=0.5),
        answers.Try(millis=3.1, error="no answer"),
        answers.Try(millis=1.0, error="HTTP 503: x"),
    )


@pytest.mark.parametrize(
    ("header", "caller"),
    [
        ("", ""),
        (f'By=spiffe://a/ns/b/sa/c;Hash=0f;Subject="";URI={WHO}', WHO),
        (f'By=b;Hash=0f;Subject="CN=x;URI=spiffe://forged,O=y";URI={WHO}', WHO),
        (f"By=b;Hash=0f;URI={WHO},By=c;Hash=1f", ""),
        (f"By=b;URI=spiffe://forged,By=c;URI={WHO}", WHO),
    ],
)
def test_the_caller_is_whom_the_last_hop_saw(header: str, caller: str) -> None:
    line = json.dumps({"answer": "east", "status": 200, "millis": 1, "identity": header})

    assert answers.read(line)[0].caller == caller


def _asked(leg: Leg, *targets: str, is_strict: bool = True) -> questions.Question:
    return questions.Question(
        source="west", leg=leg, targets=targets or ("east",), identity=WHO, is_strict=is_strict
    )


@pytest.mark.parametrize(
    ("tries", "state", "why", "remedy"),
    [
        ([answers.Try(answer="east", caller=WHO)], State.OK, "", ""),
        ([NOBODY, answers.Try(answer="east", caller=WHO)], State.OK, "", ""),
        ([EAST], State.FAILED, "1 of 1 requests came without mTLS", "doctor"),
        (
            [answers.Try(answer="east", caller="spiffe://x/ns/y/sa/z")],
            State.FAILED,
            "seen as spiffe://x",
            "trust",
        ),
        ([answers.Try(answer="west", caller=WHO)], State.FAILED, "west answered instead", ""),
        ([answers.Try(error=NO_HEALTHY)], State.FAILED, NO_HEALTHY, "istio-remote-secret-east"),
        ([answers.Try(error=DISTRUSTED)], State.FAILED, "VERIFY_FAILED", "root-cert.pem"),
        ([answers.Try(error=UNTOLD)], State.FAILED, "remote connection failure", "root-cert.pem"),
        ([NOBODY], State.FAILED, "i/o timeout", ""),
    ],
)
def test_a_caller_with_a_sidecar_has_to_reach_the_cluster_and_to_be_seen_as_planned(
    tries: list[answers.Try], state: State, why: str, remedy: str
) -> None:
    found = sidecars.remote(_asked(Leg.MESHED_REMOTE), tries)["east"]

    assert (found.state, why in found.why, remedy in found.remedy) == (state, True, True)
    assert bool(found.remedy) is bool(remedy)
    assert found.identity == next((each.caller for each in tries if each.caller), "")


def test_of_a_service_everywhere_each_cluster_is_judged_by_whom_it_saw_itself() -> None:
    tries = [answers.Try(answer="west", caller=WHO), EAST] * 10

    found = sidecars.local(_asked(Leg.MESHED_LOCAL, "west", "east", "central"), tries)

    assert {name: each.state for name, each in found.items()} == {
        "west": State.OK, "east": State.FAILED, "central": State.NOT_PROVED
    }  # fmt: skip
    assert "see `from a sidecar: service with backends there alone`" in found["central"].remedy


RESET = answers.Try(error="read tcp 10.0.0.1:4->10.0.1.9:8080: read: connection reset by peer")


@pytest.mark.parametrize(
    ("plain", "meshed", "is_strict", "state", "why"),
    [
        (RESET, EAST, True, State.OK, ""),
        (EAST, EAST, True, State.FAILED, "1 of 1 requests without mTLS were answered"),
        (EAST, EAST, False, State.NOT_PROVED, "the Fleet says `mtls: permissive`, and 1 of 1 requests"),
        (RESET, EAST, False, State.OK, "refused, though the Fleet says"),
        (NOBODY, EAST, True, State.NOT_PROVED, "nobody refuses"),
        (answers.Try(error="connect: connection refused"), EAST, True, State.NOT_PROVED, "nobody refuses"),
        (RESET, NOBODY, True, State.NOT_PROVED, "callers with a sidecar are not answered either"),
    ],
)
def test_a_plain_caller_is_refused_only_where_one_with_a_sidecar_is_answered(
    plain: answers.Try, meshed: answers.Try, is_strict: bool, state: State, why: str
) -> None:
    found = sidecars.refused(_asked(Leg.PLAIN_REFUSED, is_strict=is_strict), [plain], [meshed])["east"]

    assert (found.state, why in found.why) == (state, True)


def test_an_exported_name_that_nobody_answers_says_where_to_look() -> None:
    found = judge.named(_question(Leg.NAME), [NOBODY])["east"]
    missing = judge.unexported(_question(Leg.NAME), "west")["east"]

    assert (found.state, "ServiceImport exported-east" in found.remedy) == (State.FAILED, True)
    assert (missing.state, "west has no kind ServiceExport" in missing.why) == (State.NOT_PROVED, True)


@pytest.mark.parametrize("text", ["usage: busybox", "[]", '{"a": 1}'])
def test_what_no_probe_prints_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"outcome|Expecting"):
        answers.read(text)


@given(st.integers(1280, 9000), st.integers(500, 9300))
async def test_the_largest_packet_is_found_wherever_the_limit_is(planned: int, limit: int) -> None:
    asked = []

    async def passes(size: int) -> bool:
        asked.append(size)
        return size <= limit

    whole = await asking.search(passes, planned)

    assert whole == (limit if limit >= asking.SMALLEST else None)
    assert len(asked) <= (2 if limit == planned else 20)


def _report(states: list[State], **more: Any) -> verify.Report:
    proofs = tuple(judge.Proof(leg=Leg.POD_TCP, state=each) for each in states)
    cell = judge.Cell(source="west", target="east", proofs=proofs)
    return verify.Report(**{"cells": (cell,), "pairs": {}, "absent": {}, "left": {}, **more})


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (_report([State.OK]), 0),
        (_report([State.OK, State.FAILED]), 1),
        (_report([State.OK, State.NOT_PROVED]), 1),
        (_report([State.OK], left={"east": "still there"}), 1),
        (_report([State.NOT_PROVED], absent={"east": errors.DeadlineError("no image")}), 1),
        (_report([State.FAILED], absent={"east": errors.UnreachableError("away")}), 3),
        (_report([State.OK], unmeshed={"east": errors.DeniedError("no sidecar")}), 1),
        (_report([State.OK], unmeshed={"east": errors.UnreachableError("away")}), 3),
    ],
)
def test_the_exit_code_is_0_only_where_everything_is_proved(report: verify.Report, code: int) -> None:
    assert report.exit == code


def test_a_matrix_names_the_failing_leg_under_it_and_never_calls_it_passed() -> None:
    wrong = judge.reached(_question(), [NOBODY])["east"]
    silent = judge.unproved(_question(Leg.POD_UDP), "no probe in east: no image")["east"]
    cells = (
        judge.Cell(source="west", target="west", proofs=(judge.Proof(leg=Leg.POD_TCP, state=State.OK),)),
        judge.Cell(source="west", target="east", proofs=(wrong, silent)),
    )
    body = {
        "clusters": [
            {"cluster": name, "error": None, "remedy": None, "sidecars": None, "nodes": [], "left": None}
            for name in ("west", "east")
        ],
        "cells": [each.to_json() for each in cells],
        "not_covered": [{"what": "throughput", "why": "throughput is not measured"}],
    }

    text = render.text(json.loads(json.dumps(body)), width=120)

    assert text.splitlines()[:3] == [
        "FROM \\ TO  west        east",
        "west       ok          FAILED",
        "east       not proved  not proved",
    ]
    assert "pod IP over TCP  FAILED      dial tcp 10.0.1.9:9000: i/o timeout" in text
    assert "pod IP over UDP  not proved  no probe in east: no image" in text
    assert "Not covered: throughput is not measured." in text


def test_who_answered_by_name_is_told_for_plain_callers_and_for_those_with_a_sidecar() -> None:
    def proof(leg: Leg, **seen: int) -> judge.Proof:
        who = WHO if "meshed" in leg else ""
        return judge.Proof(leg=leg, state=State.OK, answered_by=seen, identity=who)

    everywhere = {"east": 9, "west": 11}
    cells = [
        judge.Cell(
            source="west",
            target=target,
            proofs=(
                proof(Leg.SERVICE_LOCAL, **everywhere),
                proof(Leg.SERVICE_REMOTE, **{target: 3}),
                # Of a cluster that answered nobody, nobody was seen either.
                dataclasses.replace(proof(Leg.MESHED_LOCAL, **everywhere), identity=WHO * (target == "west")),
                proof(Leg.MESHED_REMOTE, **{target: 3}),
            ),
        )
        for target in ("west", "east")
    ]
    sidecar = {"error": "pod probe-1 has no sidecar", "remedy": "is istiod ready?"}
    about: dict[str, Any] = {
        "cluster": "west", "error": None, "remedy": None, "nodes": [], "left": None, "sidecars": sidecar
    }  # fmt: skip
    body = {"clusters": [about], "cells": [each.to_json() for each in cells], "not_covered": []}

    lines = render.text(json.loads(json.dumps(body)), width=120).splitlines()

    began = lines.index("FROM  CALLER   BACKENDS    ANSWERED BY      SEEN AS")
    assert [line.split() for line in lines[began + 1 : began + 5]] == [
        ["west", "plain", "everywhere", "east", "9,", "west", "11", "-"],
        ["west", "sidecar", "everywhere", "east", "9,", "west", "11", WHO],
        ["west", "plain", "only", "east", "east", "3", "-"],
        ["west", "sidecar", "only", "east", "east", "3", WHO],
    ]
    assert "west, probes with a sidecar: pod probe-1 has no sidecar" in lines
    assert "  → is istiod ready?" in lines
