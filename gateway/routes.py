"""The calls of the contract as patterns for Envoy's routes."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto

# Whatever else the descriptors hold is not for the outside.
PUBLIC: Final = {
    "chat": "rota.chat.v1.ChatService",
    "automation": "rota.automation.v1.AutomationService",
}


def patterns(descriptors: bytes) -> dict[str, str]:
    """Returns `{cluster}_streams`, `{cluster}_reads`, which alone Envoy may retry, and
    `ticket_paths`, the streams that HTTP opens by GET.
    """
    files = FileDescriptorSet.FromString(descriptors)
    found = {}
    opened: list[str] = []
    for cluster, service in PUBLIC.items():
        methods = list(_methods(files, service))
        found[f"{cluster}_streams"] = _pattern(service, methods, _streams)
        found[f"{cluster}_reads"] = _pattern(service, methods, _reads)
        opened += [_http(method).get for method in methods if _streams(method)]
    return found | {"ticket_paths": "|".join(_path_pattern(path) for path in opened if path)}


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


def _path_pattern(template: str) -> str:
    """The pattern of the paths that a template of google.api.http means."""
    bare = re.sub(r"\{[\w.]+=([^}]*)\}", r"\1", template)
    path, _, verb = bare.partition(":")
    pattern = re.escape(path).replace(r"\*", "[^/]+")
    return f"{pattern}(:|%3[Aa]){re.escape(verb)}" if verb else pattern


def _streams(method: MethodDescriptorProto) -> bool:
    return method.server_streaming


def _reads(method: MethodDescriptorProto) -> bool:
    # What HTTP serves by GET changes nothing.
    return bool(_http(method).get) and not method.server_streaming


def _http(method: MethodDescriptorProto) -> http_pb2.HttpRule:
    return method.options.Extensions[annotations_pb2.http]
