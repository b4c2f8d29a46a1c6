import signal
import threading

from experiments.signals import NOTICED, noticed_signals


def test_signals_are_noticed_and_given_back():
    before = [signal.getsignal(number) for number in NOTICED]
    for number in NOTICED:
        with noticed_signals() as stop:
            assert stop.signal is None
            signal.raise_signal(number)
            assert stop.signal == number
    assert [signal.getsignal(number) for number in NOTICED] == before


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with noticed_signals() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.signal is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_goes_without():
    seen = []

    def work():
        with noticed_signals() as stop:
            seen.append(stop.signal)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]
