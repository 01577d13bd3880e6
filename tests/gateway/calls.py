"""Calls through the gateway, on each of its wires, and what they say."""

import struct

import grpc
import httpx2
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rota.chat.v1 import chat_pb2

from tests.gateway.conftest import Gateway
from tests.support.calls import patient

THREAD = "workspaces/dev/threads/t"
AUTOMATION = "workspaces/dev/automations/a"
CHAT = "/rota.chat.v1.ChatService"


def metadata(gateway: Gateway) -> list[tuple[str, str]]:
    return list(gateway.auth().items())


def message(text: str) -> chat_pb2.SendMessageRequest:
    said = chat_pb2.Message(parts=[chat_pb2.Part(text=text)])
    return chat_pb2.SendMessageRequest(name=THREAD, message=said)


def web(gateway: Gateway, path: str, request: Message, **headers: str) -> httpx2.Response:
    body = request.SerializeToString()
    kind = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    framed = struct.pack(">BI", 0, len(body)) + body
    return patient.post(gateway.url + path, content=framed, headers={**kind, **headers})


def web_frames(content: bytes) -> tuple[list[bytes], str]:
    """The messages of a gRPC-Web answer, and its trailers."""
    messages, trailers = [], ""
    while content:
        flags, length = struct.unpack(">BI", content[:5])
        frame, content = content[5 : 5 + length], content[5 + length :]
        if flags & 0x80:
            trailers = frame.decode()
        else:
            messages.append(frame)
    return messages, trailers


def reason(failed: grpc.RpcError) -> str:
    assert isinstance(failed, grpc.Call)
    status = rpc_status.from_call(failed)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "rota.dev"
    return str(info.reason)
