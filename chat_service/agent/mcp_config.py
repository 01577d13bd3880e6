"""MCP servers as the models file names them."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

# whether a person is asked before a tool acts; `off` takes it away
Rule = Literal["always", "never", "off"]


class McpServer(BaseModel):
    """Reached by `url` (streamable HTTP) or started as `command` (stdio).

    A tool `search` of the server `wiki` is called `wiki_search`. `approval` says whether a
    person is asked before a tool acts; `tools` says so for single ones, or takes them `off`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,30}$")]
    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    header_env: dict[str, str] = Field(
        default_factory=dict, description="header → the environment variable that holds its value"
    )
    command: Annotated[list[str], Field(min_length=1)] | None = None
    env: Annotated[list[str], Field(description="variables that the command is given")] = Field(
        default_factory=list
    )
    approval: Rule = "always"
    tools: dict[str, Rule] = Field(default_factory=dict)
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url is None) == (self.command is None):
            raise ValueError("either url or command is required")
        return self

    def rule(self, tool: str) -> Rule:
        return self.tools.get(tool, self.approval)

    def secrets(self, environ: Mapping[str, str]) -> dict[str, SecretStr]:
        """Headers, or variables of the command. Raises KeyError for one that is not set."""
        wanted = self.header_env if self.command is None else {name: name for name in self.env}
        return {name: SecretStr(environ[variable]) for name, variable in wanted.items()}
