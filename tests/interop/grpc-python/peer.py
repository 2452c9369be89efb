"""A server and a client of gRPC in Python, told what to do by JSON lines.

    peer.py server NAME PORT
    peer.py client
"""

import json
import sys
import threading

from client import Client
from server import serve


def answer(reply):
    with LOCK:
        print(json.dumps(reply), flush=True)


def carry_out(operations, command):
    """Runs one command and answers it."""
    try:
        run = getattr(operations, command.pop("op"))
        number = command.pop("id")
        answer({"id": number, "result": run(**command)})
    except Exception as failure:  # whatever it is, the suite has to hear of it
        answer({"id": number, "error": f"{type(failure).__name__}: {failure}"})


class ServerOperations:
    """What a server can be asked."""

    def __init__(self, name, port):
        self._server, self._handler = serve(name, port)

    def counts(self):
        return dict(self._handler.counts)

    def stop(self, grace):
        """Tells clients to go elsewhere, and waits for calls in flight."""
        self._server.stop(grace).wait()
        return True


def main():
    role, *arguments = sys.argv[1:]
    operations = ServerOperations(arguments[0], int(arguments[1])) if role == "server" else Client()
    answer({"ready": {"role": role}})
    for line in sys.stdin:
        threading.Thread(target=carry_out, args=(operations, json.loads(line)), daemon=True).start()


LOCK = threading.Lock()

if __name__ == "__main__":
    main()
