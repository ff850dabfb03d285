"""Some of many places, evenly spaced."""


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, evenly spaced, the first and the last among them; 0: all.

    Of a single one it is the last.
    """
    if not 0 < most < count:
        return list(range(count))
    return [count - 1] if most == 1 else [round(place * (count - 1) / (most - 1)) for place in range(most)]
