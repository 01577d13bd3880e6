"""A protoc plugin: runs the grpc_python generator that grpcio-tools has built in.

buf has no name for that generator, so it calls this file with a
CodeGeneratorRequest on standard input and reads a CodeGeneratorResponse.
"""

import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2
from grpc_tools import protoc


def generate(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "image.binpb")
        image.write_bytes(
            descriptor_pb2.FileDescriptorSet(file=request.proto_file).SerializeToString()
        )
        out = Path(folder, "out")
        out.mkdir()
        arguments = [f"--descriptor_set_in={image}", f"--grpc_python_out={out}"]
        code = protoc.main(["protoc", *arguments, *request.file_to_generate])
        if code:
            response.error = f"grpc_python ended with {code}"
        for path in sorted(out.rglob("*_grpc.py")):
            response.file.add(name=str(path.relative_to(out)), content=path.read_text())
    return response


if __name__ == "__main__":
    asked = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(asked).SerializeToString())
