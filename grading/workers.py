"""Where submissions are graded: in this process, in processes of this machine, or by dask.

Workers touch neither gradebook nor course folder.
"""

import atexit
import collections
import multiprocessing
import multiprocessing.connection
import multiprocessing.util
import os
import signal
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from grading.assignment import Assignment
from grading.bubblewrap import SandboxUnusable
from grading.course import Submission
from grading.engine import Grader, Result, refuse
from grading.intake import Refused

DASK = {
    # What it records of itself grows with the batch and takes time.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.system-monitor.log-length": 60,
    "distributed.admin.log-length": 100,
    "distributed.admin.low-level-log-length": 100,
    "distributed.admin.large-graph-warning-threshold": "1GB",
}
WINDOW = 3
"""Submissions under way for each worker."""
BROKEN = 3
"""Workers that end one after the other, after which there is no point in going on."""

Graded = tuple[Submission, Result]

# --- in a worker -----------------------------------------------------------------

_lock = threading.RLock()
_warm: dict[str, Grader] = {}
_shared: list[Assignment] = []


def grade_here(assignment: Assignment, digest: str, data: bytes, note: str) -> Result:
    """Grade one submission in this process, which keeps a warm sandbox for the next.

    Tests change the process's folder and output, so there is one at a time.
    """
    with _lock:
        if digest not in _warm:
            close_graders()
            _warm[digest] = Grader(assignment)
        return _warm[digest].grade(data, [note] if note else [])


@atexit.register
def close_graders() -> None:
    """Stop the sandboxes' parents of this process."""
    with _lock:
        while _warm:
            _warm.popitem()[1].close()


def begin(assignment: Assignment) -> None:
    """Make a process of the pool a worker for one assignment.

    An interrupt from the keyboard is meant for the process that waits for this one, and
    without that process there is nothing to do.
    """
    _shared[:] = [assignment]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    multiprocessing.util.Finalize(None, close_graders, exitpriority=10)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def stop(*_: Any) -> None:
    """End this process, whatever it does, and what it has started."""
    close_graders()
    os._exit(1)


def grade_shared(digest: str, data: bytes, note: str) -> Result:
    """Grade one submission of the assignment that the worker was begun with."""
    return grade_here(_shared[0], digest, data, note)


# --- here ------------------------------------------------------------------------


class Workers:
    """Where submissions are graded.

    Parameters
    ----------
    jobs : int
        Processes; 1 grades in this one.
    scheduler : str, optional
        Address of a running ``dask`` scheduler; its workers need this package installed.
    """

    def __init__(self, jobs: int, scheduler: str | None = None) -> None:
        self.jobs = jobs
        self.scheduler = scheduler

    def map(self, assignment: Assignment, submissions: list[Submission]) -> Iterator[Graded]:
        """Yield submissions with their results as they come.

        Raises
        ------
        SandboxUnusable
            Where sandboxes do not work on this machine.
        """
        if self.scheduler is not None:
            yield from self._scheduled(assignment, submissions)
        elif self.jobs == 1:
            yield from self._serial(assignment, submissions)
        else:
            yield from self._processes(assignment, submissions)

    @property
    def crowded(self) -> bool:
        """Whether submissions run side by side."""
        return self.scheduler is not None or self.jobs > 1

    def alone(self, assignment: Assignment, submissions: list[Submission]) -> Iterator[Graded]:
        """Do the same one by one, with nothing of ours beside."""
        if self.scheduler is None:
            yield from self._serial(assignment, submissions)
        else:
            for submission in submissions:
                yield from self._scheduled(assignment, [submission])

    def _serial(self, assignment: Assignment, submissions: list[Submission]) -> Iterator[Graded]:
        key = assignment.key()
        try:
            for submission in submissions:
                try:
                    data = submission.data(assignment)
                    result = grade_here(assignment, key, data, submission.note)
                except Exception as error:
                    result = outcome(assignment, error)
                yield submission, result
        finally:
            close_graders()

    def _processes(self, assignment: Assignment, submissions: list[Submission]) -> Iterator[Graded]:
        waiting = collections.deque(submissions)
        suspects: collections.deque[Submission] = collections.deque()
        while waiting:
            suspects += yield from self._pool(assignment, waiting, self.jobs)
        ended = 0
        while suspects:
            # One of them ended its worker. Alone in a pool, each answers for itself.
            alone = collections.deque([suspects.popleft()])
            lost = yield from self._pool(assignment, alone, 1)
            ended = ended + 1 if lost else 0
            if ended == BROKEN:
                raise SandboxUnusable(f"{BROKEN} processes in a row ended without a result")
            for submission in lost:
                yield submission, broken(assignment, BrokenProcessPool("the worker ended"))

    def _pool(
        self, assignment: Assignment, waiting: collections.deque[Submission], jobs: int
    ) -> Generator[Graded, None, list[Submission]]:
        """Grade what waits; return what was under way where a worker ended."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["grading.workers"])
        before = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(jobs, context, begin, (assignment,))
        key = assignment.key()
        running: dict[Future[Result], Submission] = {}
        try:
            while waiting or running:
                while waiting and len(running) < WINDOW * jobs:
                    submission = waiting.popleft()
                    try:
                        data = submission.data(assignment)
                    except Refused as error:
                        yield submission, outcome(assignment, error)
                        continue
                    try:
                        future = pool.submit(grade_shared, key, data, submission.note)
                    except BrokenProcessPool:
                        return [submission, *running.values()]
                    running[future] = submission
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    trouble = future.exception()
                    if isinstance(trouble, BrokenProcessPool):
                        return list(running.values())
                    submission = running.pop(future)
                    yield submission, outcome(assignment, trouble) if trouble else future.result()
            return []
        except BaseException:
            # Nobody waits for what is under way any more.
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _scheduled(self, assignment: Assignment, submissions: list[Submission]) -> Iterator[Graded]:
        import dask
        from distributed import Client, as_completed

        dask.config.set(DASK)
        key = assignment.key()
        client = Client(self.scheduler, set_as_default=False)
        try:
            shared = client.scatter(assignment, broadcast=True, hash=False)
            waiting = iter(submissions)
            under_way: dict[Any, Submission] = {}
            running = as_completed(loop=client.loop)

            def feed() -> Iterator[Graded]:
                for submission in waiting:
                    try:
                        data = submission.data(assignment)
                    except Refused as error:
                        yield submission, outcome(assignment, error)
                        continue
                    future = client.submit(
                        grade_here, shared, key, data, submission.note, pure=False, retries=1
                    )
                    under_way[future] = submission
                    running.add(future)
                    return

            for _ in range(WINDOW * max(1, len(client.nthreads()))):
                yield from feed()
            for future in running:
                submission = under_way.pop(future)
                error = future.exception()
                result = outcome(assignment, error) if error else future.result()
                future.release()
                yield submission, result
                yield from feed()
        finally:
            client.run(close_graders)
            client.close()


def outcome(assignment: Assignment, error: BaseException) -> Result:
    """Return the result of a submission that could not be graded, or go on with ``error``.

    Raises
    ------
    SandboxUnusable
        Where nobody's submission could be.
    """
    if isinstance(error, SandboxUnusable):
        raise error
    return (
        refuse(assignment, str(error)) if isinstance(error, Refused) else broken(assignment, error)
    )


def broken(assignment: Assignment, error: BaseException) -> Result:
    """Return the result of a submission on which the engine itself failed."""
    result = refuse(assignment, "grading it failed; this is no fault of the submission")
    result.scores = dict.fromkeys(assignment.points)
    result.notes.append(f"{type(error).__name__}: {error}"[:500])
    return result
