"""What was said, as a model reads it."""

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from chat_service.agent import history
from chat_service.agent.history import UNKNOWN_OUTCOME
from chat_service.agent.middleware.context_window import CUT, LEFT_OUT
from chat_service.runtime.ports import ThreadMessage


def messages(said: Sequence[ThreadMessage], context_tokens: int = 128_000) -> list[BaseMessage]:
    return history.to_model_messages(said, context_tokens)


def _call(call_id: str, **more: Any) -> dict[str, Any]:
    return {"tool_call": {"tool_call_id": call_id, "tool": "t", "args_json": '{"a": 1}', **more}}


def _agent(*parts: dict[str, Any], id: str = "m") -> ThreadMessage:
    return ThreadMessage(id=id, role="agent", parts=parts)


def _user(*parts: dict[str, Any]) -> ThreadMessage:
    return ThreadMessage(id="u", role="user", parts=parts)


def test_a_message_keeps_its_text_and_its_id() -> None:
    (found,) = messages([_user({"text": "hello"}, {"text": "there"})])

    assert isinstance(found, HumanMessage)
    assert (found.content, found.id) == ("hello\n\nthere", "u")


def test_text_and_the_calls_after_it_are_one_message_with_its_results_behind() -> None:
    said = _agent(
        {"reasoning": "hm"},
        {"text": "First."},
        _call("a", output={"n": 1}),
        _call("b", output={"n": 2}),
        {"text": "Then."},
    )

    first, a, b, then = messages([said])

    assert isinstance(first, AIMessage)
    assert isinstance(a, ToolMessage)
    assert isinstance(b, ToolMessage)
    assert (first.content, [c["id"] for c in first.tool_calls]) == ("First.", ["a", "b"])
    assert first.tool_calls[0]["args"] == {"a": 1}
    assert [(a.tool_call_id, a.content), (b.tool_call_id, b.content)] == [
        ("a", '{"n": 1}'),
        ("b", '{"n": 2}'),
    ]
    assert then.content == "Then."


def test_a_call_that_never_ended_has_a_result_that_says_so() -> None:
    _, result = messages([_agent(_call("a", args_json='{"cut'))])

    assert result.content == UNKNOWN_OUTCOME


def test_ids_of_different_turns_do_not_meet() -> None:
    found = messages([_agent(_call("a")), _agent(_call("a"))])

    ids = [m.tool_call_id for m in found if isinstance(m, ToolMessage)]
    assert ids == ["a", "a-2"]


def test_an_empty_message_is_left_out() -> None:
    assert messages([_agent(), _agent({"reasoning": "hm"}), _user()]) == []


def test_images_are_shown_and_mentions_named() -> None:
    (found,) = messages(
        [
            _user(
                {"text": "look"},
                {"image": {"data": "AAAA", "mime_type": "image/webp"}},
                {"image": {"uri": "https://example.org/a.png"}},
                {"image": {"uri": "images/kept"}},
                {"mention": {"name": "workspaces/w/automations/a", "display_name": "News"}},
                {"mention": {"name": "workspaces/w/automations/b"}},
            )
        ]
    )

    assert found.content == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/webp;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "text", "text": "[an image]"},
        {"type": "text", "text": "[News: workspaces/w/automations/a]"},
        {
            "type": "text",
            "text": "[A mention was left out: there is no workspaces/w/automations/b, or the "
            "person may not read it.]",
        },
    ]


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("multi_tool_use.parallel", "multi_tool_use_parallel"),
        ("te\ufffdle", "te_le"),
        ("", "unknown"),
        ("create_automation", "create_automation"),
    ],
)
def test_tools_have_names_that_every_provider_takes(stored: str, sent: str) -> None:
    called = {"tool_call": {"tool_call_id": "a", "tool": stored, "args_json": "{}"}}

    spoken, result = messages([_agent(called)], 1_000_000)

    assert isinstance(spoken, AIMessage)
    assert [spoken.tool_calls[0]["name"], result.name] == [sent, sent]


def test_arguments_that_cannot_be_read_are_none() -> None:
    for sent in ('{"cut', '{"a":' * 5_000, "[1]"):
        spoken, _ = messages([_agent(_call("a", args_json=sent))], 1_000_000)

        assert isinstance(spoken, AIMessage)
        assert spoken.tool_calls[0]["args"] == {}


WORD = "0123456789abcdef" * 25  # 400 characters: a hundred tokens


def _texts(found: Sequence[BaseMessage]) -> list[str]:
    return [message.text for message in found]


def test_of_what_is_too_long_the_newest_is_kept_and_the_rest_is_said_to_be_left_out() -> None:
    said = [part for i in range(9) for part in (_user({"text": f"{i}"}), _agent({"text": WORD}))]
    said.append(_user({"text": "now"}))

    found = messages(said, context_tokens=660)

    assert _texts(found) == [LEFT_OUT, *_texts(messages(said))[-7:]]
    assert _texts(found)[1:3] == ["6", WORD]


def test_the_present_message_is_there_however_long_it_is() -> None:
    said = [_user({"text": "before"}), _user({"text": WORD * 10})]

    assert _texts(messages(said, context_tokens=1_000)) == [LEFT_OUT, WORD * 10]
    assert _texts(messages(said[1:], context_tokens=1_000)) == [WORD * 10]


def test_a_call_and_its_results_are_kept_or_left_out_together() -> None:
    asked = _agent({"text": "I look."}, _call("a", output={"n": WORD}), _call("b", output={"n": 2}))
    said = [_user({"text": "go"}), asked, _user({"text": "thanks"})]
    for context_tokens in range(0, 400, 10):
        found = messages(said, context_tokens)
        called = [c["id"] for m in found if isinstance(m, AIMessage) for c in m.tool_calls]
        answered = [m.tool_call_id for m in found if isinstance(m, ToolMessage)]
        assert called == answered
        assert answered in ([], ["a", "b"])


def test_old_results_are_cut_before_anything_is_left_out_for_them() -> None:
    said = [
        _user({"text": "read it"}),
        _agent(_call("a", output={"page": WORD * 100}), {"text": "It is about numbers."}),
        _user({"text": "which?"}),
    ]

    found = messages(said, context_tokens=4_000)

    assert [type(m) for m in found] == [
        HumanMessage,
        AIMessage,
        ToolMessage,
        AIMessage,
        HumanMessage,
    ]
    assert found[2].text.endswith(CUT)
    assert len(found[2].text) < 5_000
    assert found[0].text == "read it"


def test_an_image_takes_as_much_of_the_context_as_a_page_of_text() -> None:
    picture = _user({"image": {"uri": "sha256:00"}})
    said = [picture, _user({"text": "and now?"})]

    assert len(messages(said, context_tokens=2_100)) == 2
    assert _texts(messages(said, context_tokens=1_900)) == [LEFT_OUT, "and now?"]
