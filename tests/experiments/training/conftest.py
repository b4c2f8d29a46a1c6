"""What the tests of runs that go on share."""

import signal

import pytest

from experiments.training.ensemble import Ensemble

from .. import brief


@pytest.fixture(scope="module")
def unbroken(points, short, tmp_path_factory):
    """The directory of a brief run that nothing has stopped."""
    return brief.begin(points, tmp_path_factory.mktemp("unbroken") / "run")


@pytest.fixture
def stop_after(monkeypatch):
    """Send a signal in the n-th epoch from now; the epochs that were trained."""

    def arrange(count=0, number=signal.SIGINT):
        trained = []
        epoch = Ensemble.epoch

        def counted(self, *arguments):
            trained.append((self.numbers.tolist(), *arguments[:1]))
            if len(trained) == count:
                signal.raise_signal(number)
            return epoch(self, *arguments)

        monkeypatch.setattr(Ensemble, "epoch", counted)
        return trained

    yield arrange
    monkeypatch.undo()
