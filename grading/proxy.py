"""Stand-ins for a learner's functions, for tests that must not share a process with them."""

from collections.abc import Callable
from typing import Any, NamedTuple


class LearnerError(Exception):
    """A learner's function did not give a value.

    Parameters
    ----------
    kind : str
        ``"exception"``, ``"undefined"``, ``"timeout"``, ``"crash"``, ``"value"`` (a result that
        the format does not allow) or ``"limit"``.
    message : str
        Short, and safe to show: it holds no text of the learner's making.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.kind, self.message)


class Outcome(NamedTuple):
    """What came of one call."""

    value: Any
    """The result, plain; ``None`` where there is an error."""
    error: LearnerError | None
    """What went wrong."""
    mutated: tuple[str | int, ...]
    """Names or positions of the arguments that the function changed in place."""


class Proxy:
    """A function that lives in another process.

    Parameters
    ----------
    name : str
    invoke : callable (name, args, kwargs) -> Outcome
    """

    def __init__(
        self, name: str, invoke: Callable[[str, tuple[Any, ...], dict[str, Any]], Outcome]
    ) -> None:
        self.__name__ = name
        self.__qualname__ = name
        self._invoke = invoke

    def invoke(self, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Outcome:
        """Call the function; say what came of it instead of raising."""
        return self._invoke(self.__name__, tuple(args), dict(kwargs or {}))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function and return its value.

        Raises
        ------
        LearnerError
            Where it gave none.
        """
        outcome = self.invoke(args, kwargs)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def __repr__(self) -> str:
        return f"<the submission's {self.__name__}>"
