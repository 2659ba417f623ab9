"""Requirements of methods, networks and measurements on a data set."""

from benchmark.suite.classes import Facts

NEEDS = {
    "density": "a data set whose density is known",
    "vectors": "vectors (events of one axis)",
    "images": "images (events of three axes)",
    "plane": "points of the plane (events of shape (2,))",
    "picture": "images of integers (a 'picture' and 'levels')",
}
"""Requirement -> the data that meet it, in words."""


def has(facts: Facts, need: str) -> bool:
    """Whether a data set has what is needed; a shape that only its file tells may be any vector."""
    axes = None if facts.event is None else len(facts.event)
    match need:
        case "density":
            return facts.density is not None
        case "vectors":
            return axes in (None, 1)
        case "images":
            return axes == 3
        case "plane":
            return facts.event in (None, (2,))
        case "picture":
            return facts.picture is not None and facts.levels is not None
    return False
