"""The local Claude's manners: usage, refusals and faults on demand, through the real SDK."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx
import pytest

from analysis.answers import TriageAnswer
from tests.sandbox.claude.asking import BERLIN, MODEL, matter, send, state, steer, triage, voice


def test_usage_is_counted_by_bytes_and_added_up(client: anthropic.Anthropic, claude: httpx.Client) -> None:
    message = send(client, TriageAnswer, matter(*BERLIN))
    assert message.usage.output_tokens == -(-len(message.content[0].text.encode()) // 4)
    assert message.usage.cache_read_input_tokens == message.usage.cache_creation_input_tokens == 0
    longer = send(client, TriageAnswer, matter(BERLIN[0], BERLIN[1] + "word" * 100))
    assert longer.usage.input_tokens == message.usage.input_tokens + 100
    after = state(claude)
    assert after["calls"] == {"triage": 2}
    assert after["tokens"]["input_tokens"] == message.usage.input_tokens + longer.usage.input_tokens
    assert message._request_id.startswith("req_")


def test_a_marked_prefix_is_written_once_and_then_read(client: anthropic.Anthropic) -> None:
    system: Any = [{"type": "text", "text": "rules " * 1_000, "cache_control": {"type": "ephemeral"}}]
    first, second = (send(client, TriageAnswer, matter(title, ""), system).usage for title in ("Renew", "Book"))
    assert first.cache_creation_input_tokens == second.cache_read_input_tokens > 1_500
    assert first.cache_creation.ephemeral_5m_input_tokens == first.cache_creation_input_tokens
    assert first.cache_read_input_tokens == second.cache_creation_input_tokens == 0


def test_a_prefix_below_the_models_floor_is_not_cached(client: anthropic.Anthropic) -> None:
    usage = client.messages.create(
        model=MODEL, max_tokens=10, cache_control={"type": "ephemeral"}, messages=[{"role": "user", "content": "short"}]
    ).usage
    assert usage.cache_creation_input_tokens == 0


def test_counting_agrees_with_the_bill(client: anthropic.Anthropic) -> None:
    messages: Any = [{"role": "user", "content": "How long is this?"}]
    counted = client.messages.count_tokens(model=MODEL, messages=messages).input_tokens
    assert counted == client.messages.create(model=MODEL, max_tokens=99, messages=messages).usage.input_tokens


def test_an_answer_longer_than_max_tokens_is_cut_off(client: anthropic.Anthropic) -> None:
    message = send(client, TriageAnswer, matter(*BERLIN), max_tokens=20)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 20)


def test_current_models_are_active_and_retired_ones_are_gone(client: anthropic.Anthropic) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {"claude-fable-5-2", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"} <= listed.keys()
    assert {model.lifecycle for model in listed.values()} == {"active"}
    sonnet = client.models.retrieve(MODEL)
    assert sonnet.capabilities
    assert sonnet.capabilities.structured_outputs.supported
    for retired in ("claude-3-5-sonnet-20241022", "claude-3-haiku-20240307", "claude-9"):
        with pytest.raises(anthropic.NotFoundError) as error:
            client.models.retrieve(retired)
        assert error.value.type == "not_found_error"
        with pytest.raises(anthropic.NotFoundError):
            send(client, TriageAnswer, "x", model=retired)


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "invalid"}, {"authorization": "Bearer invalid"}])
def test_a_missing_or_invalid_key_is_refused(claude: httpx.Client, headers: dict[str, str]) -> None:
    answer = claude.get("/v1/models", headers={**headers, "anthropic-version": "2026-10-21"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
    assert answer.headers["request-id"] == answer.json()["request_id"]


def test_an_api_key_header_is_as_good_as_a_bearer_token(claude: httpx.Client) -> None:
    headers = {"x-api-key": "test", "anthropic-version": "2026-10-21"}
    assert claude.get("/v1/models", headers=headers).status_code == 200


OPEN = {"type": "object", "properties": {}}
BOUNDED = {"type": "object", "additionalProperties": False, "properties": {"n": {"type": "integer", "minimum": 1}}}
LIMITED = {"type": "object", "additionalProperties": False, "properties": {"n": {"type": "array", "maxItems": 1}}}
CIRCULAR = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"next": {"$ref": "#/$defs/Node"}},
    "$defs": {"Node": {"type": "array", "items": {"$ref": "#/$defs/Node"}}},
}


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"top_k": 5},
        {"max_tokens": 0},
        {"max_tokens": None},
        {"max_tokens": 128_001},
        {"messages": []},
        {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"stream": 1},
        {"unheard_of": 1},
        {"thinking": {"type": "enabled", "budget_tokens": 2_000}},
        {"output_config": {"effort": "extreme"}},
        *(
            {"output_config": {"format": {"type": "json_schema", "schema": s}}}
            for s in (OPEN, BOUNDED, LIMITED, CIRCULAR)
        ),
    ],
    ids=str,
)
def test_it_refuses_what_the_real_api_refuses(client: anthropic.Anthropic, change: dict[str, Any]) -> None:
    with pytest.raises(anthropic.BadRequestError) as error:
        client.messages.create(
            model=MODEL, max_tokens=10, messages=[{"role": "user", "content": "a"}], extra_body=change
        )
    assert error.value.type == "invalid_request_error"


def test_a_body_over_32_megabytes_is_too_large(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.ContentTooLargeError):
        send(client, TriageAnswer, "x" * (33 * 1024 * 1024))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("401", anthropic.AuthenticationError),
        ("429", anthropic.RateLimitError),
        ("500", anthropic.InternalServerError),
        ("529", anthropic.OverloadedError),
        ("retired", anthropic.NotFoundError),
        ("drop_before", anthropic.APIConnectionError),
        ("drop_after", anthropic.APIConnectionError),
    ],
)
def test_errors_on_demand_reach_the_caller_once(
    client: anthropic.Anthropic, claude: httpx.Client, kind: str, error: type[anthropic.APIError]
) -> None:
    steer(claude, script=[{"kind": kind, "match": {"purpose": "triage", "contains": "passport"}, "retry_after": 7}])
    assert triage(client, "Renew the lease")
    with pytest.raises(error) as raised:
        triage(client, "Renew passport")
    if kind == "429":
        assert isinstance(raised.value, anthropic.RateLimitError)
        assert raised.value.response.headers["retry-after"] == "7"
    assert triage(client, "Renew passport")
    after = state(claude)
    assert (after["calls"], after["faults"], after["script"]) == ({"triage": 3}, {kind: 1}, [])


@pytest.mark.parametrize(("kind", "billed"), [("drop_before", False), ("drop_after", True), ("529", False)])
def test_a_lost_answer_is_billed_only_if_it_was_made(
    client: anthropic.Anthropic, claude: httpx.Client, kind: str, billed: bool
) -> None:
    steer(claude, script=[{"kind": kind}])
    with pytest.raises(anthropic.APIError):
        send(client, TriageAnswer, matter(*BERLIN))
    assert (state(claude)["tokens"].get("output_tokens", 0) > 0) is billed


@pytest.mark.parametrize(
    ("kind", "stop_reason"),
    [
        ("refusal", "refusal"),
        ("max_tokens", "max_tokens"),
        ("empty", "end_turn"),
        ("malformed", "end_turn"),
        ("wrong_schema", "end_turn"),
        ("stop_ends", "model_context_window_exceeded"),
    ],
)
def test_spoiled_answers_come_with_their_usage(
    client: anthropic.Anthropic, claude: httpx.Client, kind: str, stop_reason: str
) -> None:
    steer(claude, script=[{"kind": kind}])
    message = send(client, TriageAnswer, matter(*BERLIN))
    text = "".join(block.text for block in message.content)
    assert message.stop_reason == stop_reason
    assert (message.stop_details is not None) == (kind == "refusal")
    assert (text == "") == (kind in ("refusal", "empty"))
    assert min(message.usage.input_tokens, message.usage.output_tokens) > 0
    with pytest.raises(ValueError, match="validation error"):
        TriageAnswer.model_validate_json(text)


def test_a_fault_lasts_as_often_as_asked_and_reset_ends_it(client: anthropic.Anthropic, claude: httpx.Client) -> None:
    steer(claude, script=[{"kind": "500", "times": 3, "match": {"purpose": "persona"}}])
    for _ in range(2):
        with pytest.raises(anthropic.InternalServerError):
            voice(client, "The Quant", *BERLIN)
    claude.post("/control/reset").raise_for_status()
    assert voice(client, "The Quant", *BERLIN)


def test_a_delay_outlasts_an_impatient_caller(client: anthropic.Anthropic, claude: httpx.Client) -> None:
    steer(claude, delay_seconds=0.5)
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(timeout=0.1).messages.create(
            model=MODEL, max_tokens=10, messages=[{"role": "user", "content": "a"}]
        )


def test_an_unknown_lever_is_refused(claude: httpx.Client) -> None:
    for wish in ({"kind": "404"}, {"kind": "500", "times": 0}, {"kind": "500", "match": {"purpose": "all"}}):
        assert claude.post("/control", json={"script": [wish]}).status_code == 400
    assert state(claude)["script"] == []
