"""Timed work in fresh processes, with a fixed number of threads each."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from time import perf_counter
from typing import TypeVar

Result = TypeVar("Result")

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def run(
    prepare: Callable[..., Callable[[], Result]],
    arguments: Sequence[tuple],
    num_threads: int = 1,
) -> tuple[float, list[Result]]:
    """Seconds of the work, and its results, one process for each of `arguments`.

    Each process calls `prepare(*arguments)`, which warms up and returns the work
    proper. The clock starts when all are ready, and stops when the last is done, before
    results are sent. Libraries read their number of threads when they load, hence
    processes, not threads of the caller.

    **Raises:** `RuntimeError` when a process fails (its traceback is on stderr).
    """
    # Not forked: the caller may have started the threads of JAX.
    context = multiprocessing.get_context("spawn")
    processes, connections = [], []
    try:
        with _environment(dict.fromkeys(_THREAD_VARIABLES, str(num_threads))):
            for one in arguments:
                here, there = context.Pipe()
                process = context.Process(target=_child, args=(there, prepare, one))
                process.start()
                processes.append(process)
                connections.append(here)
                # Only the child holds the other end, so that its death is seen here.
                there.close()
        for connection in connections:
            connection.recv()
        start = perf_counter()
        for connection in connections:
            connection.send(None)
        for connection in connections:
            connection.recv()
        seconds = perf_counter() - start
        return seconds, [connection.recv() for connection in connections]
    except BaseException as error:
        for process in processes:
            process.terminate()
        if isinstance(error, EOFError | ConnectionError):
            raise RuntimeError("the process of a peer failed") from error
        raise
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.join()


def _child(connection: Connection, prepare: Callable, arguments: tuple) -> None:
    work = prepare(*arguments)
    connection.send(None)
    connection.recv()
    result = work()
    connection.send(None)
    connection.send(result)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
