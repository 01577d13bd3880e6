"""Server reflection in both versions. It has the reasons of errors, and two views.

Who calls a service straight is an operator and sees all that is served, the internal services
and health too. The gateway asks for the public view, which has nothing but the services of people.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final, cast

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import FileDescriptor
from google.rpc import error_details_pb2
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection, reflection_pb2
from rota.automation.v1 import (
    automation_pb2,
    delivery_pb2,
    destination_pb2,
    inbox_pb2,
    notice_settings_pb2,
)
from rota.chat.v1 import chat_pb2
from rota.errors.v1 import errors_pb2

from shared.rpc.server.callers import CALLERS, PEOPLE

# The gateway sets it on what it routes here, whoever asks for what.
VIEW: Final = "rota-view"
PUBLIC_VIEW: Final = "public"
V1: Final = "grpc.reflection.v1.ServerReflection"
VERSIONS: Final = (V1, reflection.SERVICE_NAME)
# The services of people: either service shows the files of all.
_PUBLIC: Final = (
    automation_pb2,
    chat_pb2,
    delivery_pb2,
    destination_pb2,
    inbox_pb2,
    notice_settings_pb2,
)


def add_reflection(server: Any, service_names: Sequence[str]) -> None:
    """Adds reflection of both versions, whose messages are the same, to a server."""
    _add_v1_descriptors()
    pool = descriptor_pool.Default()
    public = [name for file in _PUBLIC for name in _service_names(file.DESCRIPTOR)]
    views: dict[str, Any] = {
        view: reflection.aio.ReflectionServicer(
            (*names, *VERSIONS),
            pool=cast(descriptor_pool.DescriptorPool, _Pool(pool, files)),
        )
        for view, names, files in (
            ("", (*service_names, health.SERVICE_NAME), None),
            (PUBLIC_VIEW, public, _public_files(pool, public)),
        )
    }

    async def talk(requests: Any, context: Any) -> AsyncIterator[Any]:
        view = dict(context.invocation_metadata()).get(VIEW, "")
        servicer = views.get(str(view), views[PUBLIC_VIEW])
        async for answer in servicer.ServerReflectionInfo(requests, context):
            yield answer

    handler = grpc.stream_stream_rpc_method_handler(
        talk,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})
            for name in VERSIONS
        ]
    )


class _Pool:
    """A descriptor pool of some files, or of all, which also finds methods; upb's does not."""

    def __init__(self, pool: Any, files: frozenset[str] | None) -> None:
        self._pool = pool
        self._files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileByName(self, name: str) -> Any:  # noqa: N802 - the pool's own names
        return self._shown(self._pool.FindFileByName(name))

    def FindMessageTypeByName(self, name: str) -> Any:  # noqa: N802
        found = self._pool.FindMessageTypeByName(name)
        self._shown(found.file)
        return found

    def FindFileContainingSymbol(self, symbol: str) -> Any:  # noqa: N802
        try:
            return self._shown(self._pool.FindFileContainingSymbol(symbol))
        except KeyError:
            service, _, method = symbol.rpartition(".")
            found = self._pool.FindServiceByName(service)
            if method not in found.methods_by_name:
                raise
            return self._shown(found.file)

    def _shown(self, file: FileDescriptor) -> FileDescriptor:
        if self._files is not None and file.name not in self._files:
            raise KeyError(file.name)
        return file


def _public_files(pool: Any, services: Iterable[str]) -> frozenset[str]:
    """The files of services, of errors and of reflection, with all that they import."""
    found: dict[str, FileDescriptor] = {}
    left = [pool.FindServiceByName(name).file for name in (*services, *VERSIONS)]
    left += [errors_pb2.DESCRIPTOR, error_details_pb2.DESCRIPTOR]
    while left:
        file = left.pop()
        if file.name not in found:
            found[file.name] = file
            left += file.dependencies
    return frozenset(found)


def _service_names(file: FileDescriptor) -> list[str]:
    services = file.services_by_name.values()
    return [one.full_name for one in services if PEOPLE in CALLERS[one.full_name]]


def _has_service(pool: Any, name: str) -> bool:
    try:
        pool.FindServiceByName(name)
    except KeyError:
        return False
    return True


def _add_v1_descriptors() -> None:
    """Puts v1 into the pool, unless it is there: the library has only v1alpha."""
    pool = descriptor_pool.Default()
    if _has_service(pool, V1):
        return
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.ClearField("options")
    v1 = text_format.Parse(
        text_format.MessageToString(file).replace("v1alpha", "v1"),
        descriptor_pb2.FileDescriptorProto(),
    )
    pool.AddSerializedFile(v1.SerializeToString())
