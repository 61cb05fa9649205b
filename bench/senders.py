"""The clients of the HTTP benchmark, in a process of their own: many connections, one thread, nothing but sockets.

Prints `{"prepared": true}` once all requests lie ready in memory, waits for a line, sends, and prints what it saw.
"""

import json
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator

from bench.documents import invoices


class _Connection:
    """One connection that always has one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sent_at = 0.0

    def send(self, request: bytes) -> None:
        """Begin one request; a body this small fits into the socket's buffer."""
        self._sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> tuple[int, float]:
        """Status and seconds of the answer, which comes in one piece or is waited for."""
        answer = self.socket.recv(65536)
        while not _whole(answer):
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the gateway closed the connection")
            answer += more
        return int(answer[9:12]), time.perf_counter() - self._sent_at


def _whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return len(body) >= int(length.partition(b":")[2])


def requests(port: int, token: str, count: int, seed: int) -> list[bytes]:
    """Whole requests, ready to be sent."""
    ready = []
    for number, raw in enumerate(invoices(count, seed=seed)):
        head = (
            f"POST /v1/invoices HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/xml\r\nX-File-Name: faktura-{seed}-{number}.xml\r\n"
            f"Content-Length: {len(raw)}\r\n\r\n"
        )
        ready.append(head.encode() + raw)
    return ready


def send_all(port: int, ready: list[bytes], connections: int) -> dict[str, object]:
    """Send every request over so many connections; statuses, seconds for all, seconds of each."""
    statuses: Counter[int] = Counter()
    seconds: list[float] = []
    waiting: Iterator[bytes] = iter(ready)
    selector = selectors.DefaultSelector()
    everyone = [_Connection(port) for _ in range(connections)]
    start = time.perf_counter()
    for connection, request in zip(everyone, waiting, strict=False):
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(request)
    while len(seconds) < len(ready):
        for key, _ in selector.select():
            connection = key.data
            status, took = connection.receive()
            statuses[status] += 1
            seconds.append(took)
            if (request := next(waiting, None)) is not None:
                connection.send(request)
    whole = time.perf_counter() - start
    for connection in everyone:
        connection.socket.close()
    return {"seconds": whole, "each": seconds, "statuses": dict(statuses)}


def main() -> None:
    """`python -m bench.senders PORT TOKEN COUNT CONNECTIONS SEED`."""
    port, token, count, connections, seed = sys.argv[1:]
    ready = requests(int(port), token, int(count), int(seed))
    print(json.dumps({"prepared": True}), flush=True)
    sys.stdin.readline()
    print(json.dumps(send_all(int(port), ready, int(connections))), flush=True)


if __name__ == "__main__":
    main()
