"""The calls of the contract as patterns for Envoy's routes."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto

# By cluster. Whatever else the descriptors hold is not for the outside. The first service of a
# cluster is the one whose health is asked.
PUBLIC: Final[Mapping[str, tuple[str, ...]]] = {
    "chat": ("rota.chat.v1.ChatService",),
    "automation": (
        "rota.automation.v1.AutomationService",
        "rota.automation.v1.DeliveryService",
        "rota.automation.v1.DestinationService",
        "rota.automation.v1.InboxService",
        "rota.automation.v1.NoticeSettingsService",
    ),
}


def patterns(descriptors: bytes) -> dict[str, str]:
    """Returns `{cluster}_services`, the paths of all calls, `{cluster}_streams`,
    `{cluster}_reads`, which alone Envoy may retry, and `ticket_paths`, the streams that HTTP
    opens by GET.
    """
    files = FileDescriptorSet.FromString(descriptors)
    found = {}
    opened: list[str] = []
    for cluster, services in PUBLIC.items():
        methods = list(_methods(files, services))
        found[f"{cluster}_services"] = f"/({'|'.join(map(re.escape, services))})/.*"
        found[f"{cluster}_streams"] = _pattern(methods, _streams)
        found[f"{cluster}_reads"] = _pattern(methods, _reads)
        opened += [_http(method).get for _, method in methods if _streams(method)]
    return found | {"ticket_paths": "|".join(_path_pattern(path) for path in opened if path)}


def _methods(
    files: FileDescriptorSet, services: Sequence[str]
) -> Iterator[tuple[str, MethodDescriptorProto]]:
    """Yields the methods of services, each with its service's name."""
    for file in files.file:
        for found in file.service:
            if (name := f"{file.package}.{found.name}") in services:
                yield from ((name, method) for method in found.method)


def _pattern(
    methods: list[tuple[str, MethodDescriptorProto]],
    chosen: Callable[[MethodDescriptorProto], bool],
) -> str:
    names = sorted(f"{service}/{method.name}" for service, method in methods if chosen(method))
    return f"/({'|'.join(map(re.escape, names))})"


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
