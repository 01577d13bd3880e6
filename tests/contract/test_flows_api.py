"""The public API of the flows: what `chat_service.flows` exports, with its signatures."""

import inspect

import pytest

from chat_service import flows
from chat_service.flows.new_chat import stream_new_chat
from chat_service.flows.resume_chat import stream_resume_chat


def test_flows_export_the_new_chat_and_the_resume_only() -> None:
    assert sorted(flows.__all__) == ["stream_new_chat", "stream_resume_chat"]


@pytest.mark.parametrize("flow", [stream_new_chat, stream_resume_chat])
def test_a_flow_takes_its_dependencies_the_segment_and_where_its_frames_go(flow: object) -> None:
    assert callable(flow)
    assert inspect.iscoroutinefunction(flow)
    parameters = inspect.signature(flow, eval_str=True)
    assert [(p.name, p.annotation.__name__) for p in parameters.parameters.values()] == [
        ("deps", "FlowDeps"),
        ("segment", "Segment"),
        ("io", "SegmentIO"),
    ]
    assert parameters.return_annotation is None
