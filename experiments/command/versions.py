"""The packages that results depend on, and runs that went on with other ones."""

from collections.abc import Iterable, Mapping
from importlib import metadata

PACKAGES = ("nelc_jax", "jax", "jaxlib", "equinox", "optax", "numpy")


def installed() -> dict[str, str]:
    """The versions that run."""
    return {name: metadata.version(name) for name in PACKAGES}


def earlier_versions(
    versions: Mapping[str, str], configs: Iterable[Mapping]
) -> dict[str, list[str]]:
    """Other versions than `versions`, by package, with which states were trained.

    **Arguments:** `configs`, those of the saved states: the `versions` that wrote them,
    and the `earlier_versions` of those that had gone on before.
    """
    found: dict[str, list[str]] = {}
    for config in configs:
        for key in ("earlier_versions", "versions"):
            for name, value in dict(config.get(key) or {}).items():
                # What was not noted then, or is not now, is not known to differ.
                for version in [value] if isinstance(value, str) else value:
                    known = [versions.get(name, version), *found.get(name, [])]
                    if version not in known:
                        found.setdefault(name, []).append(version)
    return found


def resumed_with(versions: Mapping[str, str], earlier: Mapping[str, list[str]]) -> str:
    """What to say of a run that goes on with other versions, in one line."""
    now = ", ".join(f"{name} {versions[name]}" for name in earlier)
    before = ", ".join(
        f"{name} {' and '.join(before)}" for name, before in earlier.items()
    )
    return (
        f"resuming with {now}, trained before with {before}: results agree in law with "
        "those of an unbroken run, not bit for bit"
    )
