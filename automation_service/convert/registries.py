"""Action types, trigger types and capabilities on the wire."""

from rota.automation.v1 import automation_pb2 as pb

from shared.registries.actions.types import ActionDefinition
from shared.registries.capabilities.types import Capability
from shared.registries.triggers.types import TriggerDefinition
from shared.rpc import struct


def action_type(found: ActionDefinition) -> pb.ActionType:
    return pb.ActionType(
        type=found.type,
        display_name=found.name,
        description=found.description,
        config_schema=struct.struct(found.config_schema),
    )


def trigger_type(found: TriggerDefinition) -> pb.TriggerType:
    return pb.TriggerType(
        type=found.type,
        description=found.description,
        config_schema=struct.struct(found.config_schema),
        payload_schema=struct.struct(found.payload_schema),
    )


def capability(found: Capability) -> pb.Capability:
    return pb.Capability(
        id=found.id,
        description=found.description,
        input_schema=struct.struct(found.input_schema),
        output_schema=struct.struct(found.output_schema),
    )
