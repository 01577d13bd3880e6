"""Jinja compilers that fold no constants and pass each value through the environment."""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, nodes
from jinja2.compiler import CodeGenerator, Frame


class TemplateCompiler(CodeGenerator):
    """Compiles a template and evaluates no expression of it, constant or not."""

    def __init__(self, environment: Environment, *args: Any, **options: Any) -> None:
        super().__init__(environment, *args, **options)
        self.optimizer = None

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)

    def visit_EvalContextModifier(self, node: nodes.EvalContextModifier, frame: Frame) -> None:  # noqa: N802
        for option in node.options:
            self.writeline(f"context.eval_ctx.{option.key} = ")
            self.visit(option.value, frame)
            if isinstance(option.value, nodes.Const):
                setattr(frame.eval_ctx, option.key, option.value.value)
            else:
                frame.eval_ctx.volatile = True


class BoundedCompiler(TemplateCompiler):
    """Lets the environment see each value that an expression makes, and each piece written."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        raise nodes.Impossible

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802
        self._visit_value(super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        self._visit_value(super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        if node.ctx == "load":
            self._visit_value(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.concat_texts(context, (")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def _visit_value(self, visit: Callable[[Any, Frame], None], node: Any, frame: Frame) -> None:
        self.write("environment.bound(")
        visit(node, frame)
        self.write(")")
