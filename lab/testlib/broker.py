"""The broker as a client sees it: as much of its protocol as a few questions need."""

from __future__ import annotations

import socket


class Broker:
    def __init__(self, address: str, username: str | None = None, password: str | None = None) -> None:
        self._socket = socket.create_connection((address, 6379), timeout=10)
        self._stream = self._socket.makefile("rb")
        if username is not None and password is not None:
            self.ask("AUTH", username, password)

    def ask(self, *words: str) -> str:
        """Send one command whose answer is a line, a number or a text."""
        parts = [f"*{len(words)}", *(part for word in words for part in (f"${len(word.encode())}", word)), ""]
        self._socket.sendall("\r\n".join(parts).encode())
        answer = self._stream.readline().decode().rstrip("\r\n")
        if answer.startswith("-"):
            raise PermissionError(answer)
        if answer.startswith("$") and answer != "$-1":
            return self._stream.read(int(answer[1:]) + 2).decode().rstrip("\r\n")
        return answer[1:]

    def queued(self, queue: str) -> int:
        """Give how many messages wait in a queue."""
        return int(self.ask("LLEN", queue))
