"""Ask a broker, whose URL is on standard input, what decides whether Celery can use it. Prints JSON.

error    why it cannot be asked, or empty
refused  the commands of Celery that the user may not run, each with the server's reason
info     what the server says of itself, null where the user may not ask for it
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import TYPE_CHECKING, Any

import redis

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = 5  # seconds
INFO = (
    "aof_enabled",
    "maxmemory_policy",
    "redis_mode",
    "redis_version",
    "role",
    "server_name",
    "valkey_version",
)


def commands(client: redis.Redis, key: str) -> dict[str, Callable[[], Any]]:
    """Return what Kombu's transport does, on keys of our own and a channel of our own."""
    lists, sets, sorted_sets, hashes, lock = (f"{key}.{number}" for number in range(5))
    return {
        "LPUSH": lambda: client.lpush(lists, "a", "b"),
        "RPUSH": lambda: client.rpush(lists, "c"),
        "LLEN": lambda: client.llen(lists),
        "RPOP": lambda: client.rpop(lists),
        "BRPOP": lambda: client.brpop([lists], timeout=1),
        "SADD": lambda: client.sadd(sets, "a"),
        "SMEMBERS": lambda: client.smembers(sets),
        "SREM": lambda: client.srem(sets, "a"),
        "ZADD": lambda: client.zadd(sorted_sets, {"a": 1}),
        "ZRANGE": lambda: client.zrange(sorted_sets, 0, 1),
        "ZREVRANGEBYSCORE": lambda: client.zrevrangebyscore(sorted_sets, 1, 0),
        "ZREM": lambda: client.zrem(sorted_sets, "a"),
        "HSET": lambda: client.hset(hashes, "a", "b"),
        "HGET": lambda: client.hget(hashes, "a"),
        "HDEL": lambda: client.hdel(hashes, "a"),
        "MULTI and EXEC": lambda: client.pipeline().llen(lists).llen(lists).execute(),
        "SET": lambda: client.set(lock, "a", nx=True, px=1000),
        "PEXPIRE": lambda: client.pexpire(lock, 1000),
        "EXISTS": lambda: client.exists(lock),
        "EVALSHA": lambda: client.register_script("return redis.call('get', KEYS[1])")(keys=[lock]),
        "PUBLISH": lambda: client.publish(key, "a"),
        "PSUBSCRIBE": lambda: subscribe(client, f"{key}*"),
        "DEL": lambda: client.delete(lists, sets, sorted_sets, hashes, lock),
    }


def subscribe(client: redis.Redis, pattern: str) -> None:
    with client.pubsub() as channel:
        channel.psubscribe(pattern)
        channel.get_message(timeout=TIMEOUT)


def query(client: redis.Redis) -> dict[str, Any]:
    answer: dict[str, Any] = {"error": "", "refused": [], "info": None}
    try:
        client.ping()
        try:
            info = client.info()
            answer["info"] = {name: info[name] for name in INFO if name in info}
        except redis.exceptions.NoPermissionError:
            pass
        if (answer["info"] or {}).get("redis_mode") == "cluster":
            # It would send each key elsewhere.
            return answer
        for name, run in commands(client, f"lakehouse-check-{uuid.uuid4()}").items():
            try:
                run()
            except redis.exceptions.NoPermissionError as error:
                answer["refused"].append(f"{name} ({error})")
    except redis.RedisError as error:
        answer["error"] = str(error)
    return answer


def main() -> None:
    url = sys.stdin.read().strip()
    # With the protocol that Kombu's connections have.
    with redis.Redis.from_url(
        url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, decode_responses=True
    ) as client:
        print(json.dumps(query(client)))


if __name__ == "__main__":
    main()
