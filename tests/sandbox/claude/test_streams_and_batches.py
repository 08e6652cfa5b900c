"""Answers event by event, batches, and a cache that is read only once an answer has begun: all through the real SDK."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import anthropic
import httpx
import httpx2
import pytest

from analysis.answers import TriageAnswer
from tests.sandbox.claude.asking import BERLIN, MODEL, matter, send, state, steer

LONG: Any = [{"type": "text", "text": "rules " * 1_000, "cache_control": {"type": "ephemeral"}}]


def request(client: anthropic.Anthropic, title: str, **more: Any) -> dict[str, Any]:
    output: Any = {"format": {"type": "json_schema", "schema": anthropic.transform_schema(TriageAnswer)}}
    messages = [{"role": "user", "content": matter(title, "")}]
    return {"model": MODEL, "max_tokens": 8_000, "output_config": output, "messages": messages, **more}


def test_a_stream_adds_up_to_the_same_message(client: anthropic.Anthropic) -> None:
    whole = send(client, TriageAnswer, matter(*BERLIN))
    with client.messages.stream(**request(client, BERLIN[0])) as stream:
        events = [event.type for event in stream]
        message = stream.get_final_message()
    assert events[0] == "message_start"
    assert events[-1] == "message_stop"
    assert message.stop_reason == whole.stop_reason == "end_turn"
    TriageAnswer.model_validate_json(message.content[0].text)  # type: ignore[union-attr]  # it is a text block
    assert message.usage.output_tokens == -(-len(message.content[0].text.encode()) // 4)  # type: ignore[union-attr]  # as above


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("drop_mid", httpx2.RemoteProtocolError),
        ("corrupt", ValueError),
        ("error_mid", anthropic.APIStatusError),
        ("end_early", None),
    ],
)
def test_a_stream_may_end_badly(
    client: anthropic.Anthropic, claude: httpx.Client, kind: str, error: type[Exception] | None
) -> None:
    steer(claude, script=[{"kind": kind}])
    seen: list[str] = []
    with (
        client.messages.create(**request(client, BERLIN[0]), stream=True) as stream,
        pytest.raises(error) if error else contextlib.nullcontext(),
    ):
        seen.extend(event.type for event in stream)
    assert "content_block_delta" in seen or kind != "end_early"
    assert "message_stop" not in seen
    assert state(claude)["tokens"]["output_tokens"] > 0


def test_requests_side_by_side_all_write_and_one_after_the_first_event_reads(
    client: anthropic.Anthropic, claude: httpx.Client
) -> None:
    steer(claude, delay_seconds=0.5)
    usages: list[Any] = []
    together = [
        threading.Thread(target=lambda: usages.append(send(client, TriageAnswer, "a", LONG).usage)) for _ in range(2)
    ]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert [usage.cache_read_input_tokens for usage in usages] == [0, 0]
    claude.post("/control/reset").raise_for_status()
    steer(claude, delay_seconds=0.5)
    with client.messages.create(**request(client, "a", system=LONG), stream=True) as stream:
        next(iter(stream))
        later = send(client, TriageAnswer, "b", LONG).usage
    assert later.cache_read_input_tokens > 1_500
    assert later.cache_creation_input_tokens == 0


def test_a_batch_answers_each_request_by_its_own_id(client: anthropic.Anthropic, claude: httpx.Client) -> None:
    steer(
        claude,
        batch_seconds=60,
        script=[
            {"kind": "529", "match": {"contains": "Overloaded"}},
            {"kind": "expired", "match": {"contains": "Expired"}},
        ],
    )
    titles = ["Fine", "Overloaded", "Expired"]
    requests: list[Any] = [{"custom_id": title, "params": request(client, title)} for title in titles]
    requests.append({"custom_id": "Wrong", "params": {"model": MODEL}})
    batch = client.messages.batches.create(requests=requests)
    assert (batch.processing_status, batch.request_counts.processing, batch.results_url) == ("in_progress", 4, None)
    assert [one.id for one in client.messages.batches.list(limit=100).data] == [batch.id]
    claude.post("/control/reset").raise_for_status()
    steer(
        claude,
        script=[
            {"kind": "529", "match": {"contains": "Overloaded"}},
            {"kind": "expired", "match": {"contains": "Expired"}},
        ],
    )
    batch = client.messages.batches.create(requests=requests)
    ended = client.messages.batches.retrieve(batch.id)
    assert ended.processing_status == "ended"
    found = {line.custom_id: line.result for line in client.messages.batches.results(batch.id)}
    kinds = {key: result.type for key, result in found.items()}
    assert kinds == {"Fine": "succeeded", "Overloaded": "errored", "Expired": "expired", "Wrong": "errored"}
    assert isinstance(found["Fine"], anthropic.types.messages.MessageBatchSucceededResult)
    assert found["Fine"].message.usage.service_tier == "batch"


def test_a_batch_that_is_not_there_or_makes_no_sense_is_refused(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve("msgbatch_unheard_of")
    twice: list[Any] = [{"custom_id": "a", "params": request(client, "x")}] * 2
    nameless: list[Any] = [{"custom_id": "no spaces", "params": {}}]
    for requests in ([], twice, nameless):
        with pytest.raises(anthropic.BadRequestError):
            client.messages.batches.create(requests=requests)
