"""grpcio: ADDRESS TOKEN WORKSPACE REQUEST_ID; prints what came as one line of JSON."""

import json
import sys

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rota.chat.v1 import chat_pb2, chat_pb2_grpc

address, token, workspace, request_id = sys.argv[1:]
told = [("authorization", f"Bearer {token}")]
with grpc.insecure_channel(address) as channel:
    chat = chat_pb2_grpc.ChatServiceStub(channel)
    listing = chat_pb2.ListThreadsRequest(parent=workspace)
    listed = len(chat.ListThreads(listing, metadata=told).threads)
    creating = chat_pb2.CreateThreadRequest(
        parent=workspace, thread=chat_pb2.Thread(display_name="Foreign"), validate_only=True
    )
    dry = chat.CreateThread(creating, metadata=told)
    creating.validate_only = False
    made = chat.CreateThread(creating, metadata=told)
    message = chat_pb2.Message(parts=[chat_pb2.Part(text="hello")])
    sending = chat_pb2.SendMessageRequest(name=made.name, message=message, request_id=request_id)
    stream = chat.SendMessage(sending, metadata=told)
    first = [next(stream), next(stream)]
    stream.cancel()
    watching = chat_pb2.WatchTurnRequest(name=first[0].started.turn, after_sequence=2)
    rest = list(chat.WatchTurn(watching, metadata=told))
    reason = ""
    try:
        chat.GetThread(chat_pb2.GetThreadRequest(name=f"{made.name}x"), metadata=told)
    except grpc.RpcError as error:
        info = error_details_pb2.ErrorInfo()
        rpc_status.from_call(error).details[0].Unpack(info)  # type: ignore[arg-type]
        reason = info.reason
found = {
    "listed": listed,
    "dry": dry.name,
    "title": made.display_name,
    "first": [frame.sequence for frame in first],
    "rest": [frame.sequence for frame in rest],
    "completed": rest[-1].HasField("completed"),
    "reason": reason,
}
print(json.dumps(found))
