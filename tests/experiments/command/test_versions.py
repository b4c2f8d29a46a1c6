"""Runs that go on with other packages: what is known of those before, and said."""

from importlib import metadata

from experiments.command.versions import earlier_versions, installed, resumed_with

NOW = {"jax": "0.11.2", "jaxlib": "0.11.2", "numpy": "2.4.0"}


def test_the_versions_that_run():
    assert installed()["jax"] == metadata.version("jax")
    assert earlier_versions(installed(), [{"versions": installed()}]) == {}


def test_only_other_versions_count():
    # An older run did not note jaxlib, and noted a package that no longer counts.
    before = {"jax": "0.10.2", "numpy": "2.4.0", "scipy": "1.16.0"}
    found = earlier_versions(NOW, [{"versions": before}, {"versions": NOW}, {}])
    assert found == {"jax": ["0.10.2"]}
    assert resumed_with(NOW, found) == (
        "resuming with jax 0.11.2, trained before with jax 0.10.2: results agree in "
        "law with those of an unbroken run, not bit for bit"
    )


def test_versions_before_those_before_are_known():
    second = {
        "versions": NOW | {"jax": "0.11.0", "numpy": "2.3.0"},
        "earlier_versions": {"jax": ["0.10.2"]},
    }
    found = earlier_versions(NOW, [second, second])
    assert found == {"jax": ["0.10.2", "0.11.0"], "numpy": ["2.3.0"]}
    assert resumed_with(NOW, found).startswith(
        "resuming with jax 0.11.2, numpy 2.4.0, trained before with jax 0.10.2 and "
        "0.11.0, numpy 2.3.0: "
    )
    # Back at the first version: only the other ones differ.
    assert earlier_versions(NOW | {"jax": "0.10.2"}, [second])["jax"] == ["0.11.0"]
