"""What the query of a broker says of the answers, by the redis-py that the hosts run."""

from __future__ import annotations

from typing import Any, Self

import redis
from query_broker import query


class Broker:
    """A client whose commands succeed, or raise what is given for them."""

    def __init__(self, **errors: Exception) -> None:
        self.errors = errors
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def run(*_args: Any, **_options: Any) -> Any:
            self.called.append(name)
            if error := self.errors.get(name):
                raise error
            return {"redis_version": "7.2.4", "secret": "x"} if name == "info" else self

        return run

    def __call__(self, **_options: Any) -> None:
        """Run a script."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_a_user_who_may_all_is_refused_nothing() -> None:
    broker = Broker()
    answer = query(broker)
    assert answer == {"error": "", "refused": [], "info": {"redis_version": "7.2.4"}}
    assert broker.called[-1] == "delete"


def test_a_refused_command_is_named_and_the_others_are_tried() -> None:
    broker = Broker(brpop=redis.exceptions.NoPermissionError("no permissions"))
    assert query(broker)["refused"] == ["BRPOP (no permissions)"]
    assert broker.called[-1] == "delete"


def test_a_server_that_tells_nothing_of_itself_is_asked_the_rest() -> None:
    broker = Broker(info=redis.exceptions.NoPermissionError("no permissions"))
    assert query(broker) == {"error": "", "refused": [], "info": None}


def test_a_failed_connection_is_the_error() -> None:
    broker = Broker(ping=redis.exceptions.ConnectionError("refused"))
    assert query(broker)["error"] == "refused"
