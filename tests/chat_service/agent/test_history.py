"""What was said, as a model reads it."""

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from chat_service.agent.history import UNKNOWN_OUTCOME, messages
from chat_service.agent.ports import Said


def _call(call_id: str, **more: Any) -> dict[str, Any]:
    return {"tool_call": {"tool_call_id": call_id, "tool": "t", "args_json": '{"a": 1}', **more}}


def _agent(*parts: dict[str, Any], id: str = "m") -> Said:
    return Said(id=id, role="agent", parts=parts)


def _user(*parts: dict[str, Any]) -> Said:
    return Said(id="u", role="user", parts=parts)


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
            )
        ]
    )

    assert found.content == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/webp;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "text", "text": "[an image]"},
        {"type": "text", "text": "[News: workspaces/w/automations/a]"},
    ]
