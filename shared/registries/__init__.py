"""What a definition may name: actions, triggers and capabilities."""

from shared.registries.builtins import register_builtins
from shared.registries.catalogue import Catalogue, current_catalogue
from shared.registries.check import check
from shared.registries.violations import Violation

__all__ = ["Catalogue", "Violation", "check", "current_catalogue", "register_builtins"]
