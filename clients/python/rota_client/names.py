"""Resource names, completed from what a person types."""


def complete(workspace: str, collection: str, given: str) -> str:
    """`7f…` → `workspaces/w/{collection}/7f…`; a name that has its collection or is whole stays."""
    if given.startswith("workspaces/"):
        return given
    if given.startswith(f"{collection}/"):
        return f"{workspace}/{given}"
    return f"{workspace}/{collection}/{given}"


def run_name(workspace: str, given: str) -> str:
    """From `{automation}/{run}`, `automations/{a}/runs/{r}` or the whole name."""
    parts = given.split("/")
    if len(parts) == 2:
        given = f"{parts[0]}/runs/{parts[1]}"
    return complete(workspace, "automations", given)


def trigger_name(workspace: str, given: str) -> str:
    """From `{automation}/{trigger}`, `automations/{a}/triggers/{t}` or the whole name."""
    parts = given.split("/")
    if len(parts) == 2 and parts[0] != "automations":
        given = f"{parts[0]}/triggers/{parts[1]}"
    return complete(workspace, "automations", given)


def last(name: str) -> str:
    """The resource's own id."""
    return name.rpartition("/")[2]


def short(name: str) -> str:
    """Without the workspace: what a person may type back."""
    return name.split("/", 2)[2] if name.startswith("workspaces/") and name.count("/") > 1 else name
