"""Which learning rate is best: some in any case, and more beside the best."""

from collections.abc import Callable, Sequence

from experiments.advantage.parts import Part


def sweep(
    train: Callable[[Sequence[float]], list[Part]],
    first: Sequence[float],
    rates: Sequence[float],
) -> list[Part]:
    """Parts at the `first` of the `rates` and at further ones, the best in the middle.

    The best rate is neither the lowest nor the highest one tried, or an end of `rates`,
    which rise. Two are trained at a time.
    """
    pairs = [first[start : start + 2] for start in range(0, len(first), 2)]
    parts = [part for pair in pairs for part in train(pair)]
    while True:
        winner = best(parts).rate
        lower = [rate for rate in rates if rate < parts[0].rate]
        higher = [rate for rate in rates if rate > parts[-1].rate]
        if winner == parts[0].rate and lower:
            parts = train(lower[-2:]) + parts
        elif winner == parts[-1].rate and higher:
            parts = parts + train(higher[:2])
        else:
            return parts


def best(parts: Sequence[Part]) -> Part:
    """The part whose median model has the highest likelihood on the data."""
    return max(parts, key=lambda part: part.score)


def bracketed(parts: Sequence[Part]) -> bool:
    """Whether rates on both sides of the best one were tried."""
    return parts[0].rate < best(parts).rate < parts[-1].rate


def seconds(parts: Sequence[Part]) -> float:
    """Of training a model: the shortest, as other work on the machine only adds."""
    return min(part.seconds for part in parts)
