"""What an answer of gRPC-Web says of a call's end."""

import base64
import struct

import httpx2
from google.rpc import status_pb2


def web_status(answer: httpx2.Response) -> status_pb2.Status:
    """The status with its details, from the headers or from the last frame."""
    said = {key.lower(): value for key, value in answer.headers.items()}
    content = answer.content
    while content:
        flags, length = struct.unpack(">BI", content[:5])
        frame, content = content[5 : 5 + length], content[5 + length :]
        if flags & 0x80:
            lines = [line.partition(":") for line in frame.decode().splitlines() if line]
            said |= {key.strip().lower(): value.strip() for key, _, value in lines}
    packed = said.get("grpc-status-details-bin", "")
    assert packed, f"no details: {answer.status_code} {said}"
    status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
    assert said["grpc-status"] == str(status.code), said
    return status
