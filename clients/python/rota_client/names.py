"""Resource names, completed from short names."""


def complete_name(workspace: str, collection: str, given: str) -> str:
    """`7f…` → `workspaces/w/{collection}/7f…`; keeps a collection or whole name that is given."""
    if given.startswith("workspaces/"):
        return given
    if given.startswith(f"{collection}/"):
        return f"{workspace}/{given}"
    return f"{workspace}/{collection}/{given}"


def run_name(workspace: str, given: str) -> str:
    """Completes `{automation}/{run}`, `automations/{a}/runs/{r}` or the whole name."""
    parts = given.split("/")
    if len(parts) == 2:
        given = f"{parts[0]}/runs/{parts[1]}"
    return complete_name(workspace, "automations", given)


def trigger_name(workspace: str, given: str) -> str:
    """Completes `{automation}/{trigger}`, `automations/{a}/triggers/{t}` or the whole name."""
    parts = given.split("/")
    if len(parts) == 2 and parts[0] != "automations":
        given = f"{parts[0]}/triggers/{parts[1]}"
    return complete_name(workspace, "automations", given)


def resource_id(name: str) -> str:
    """Returns the last segment of a name."""
    return name.rpartition("/")[2]


def short_name(name: str) -> str:
    """Returns the name without its workspace, as a person types it."""
    return name.split("/", 2)[2] if name.startswith("workspaces/") and name.count("/") > 1 else name
