"""Words that several warnings use."""

from collections.abc import Sequence


def join_names(names: Sequence[str]) -> str:
    """Returns names in a sentence: `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
