"""The calls of the contract as patterns for Envoy's routes."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto

# Whatever else the descriptors hold is not for the outside.
PUBLIC: Final = {
    "chat": "rota.chat.v1.ChatService",
    "automation": "rota.automation.v1.AutomationService",
}


def patterns(descriptors: bytes) -> dict[str, str]:
    """Returns `{cluster}_streams` and `{cluster}_reads`; Envoy may retry the reads only."""
    files = FileDescriptorSet.FromString(descriptors)
    found = {}
    for cluster, service in PUBLIC.items():
        methods = list(_methods(files, service))
        found[f"{cluster}_streams"] = _pattern(service, methods, _streams)
        found[f"{cluster}_reads"] = _pattern(service, methods, _reads)
    return found


def _methods(files: FileDescriptorSet, service: str) -> Iterator[MethodDescriptorProto]:
    for file in files.file:
        for found in file.service:
            if f"{file.package}.{found.name}" == service:
                yield from found.method


def _pattern(
    service: str,
    methods: list[MethodDescriptorProto],
    chosen: Callable[[MethodDescriptorProto], bool],
) -> str:
    names = sorted(method.name for method in methods if chosen(method))
    return f"/{re.escape(service)}/({'|'.join(names)})"


def _streams(method: MethodDescriptorProto) -> bool:
    return method.server_streaming


def _reads(method: MethodDescriptorProto) -> bool:
    # What HTTP serves by GET changes nothing.
    http = method.options.Extensions[annotations_pb2.http]
    return bool(http.get) and not method.server_streaming
