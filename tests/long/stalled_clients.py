"""Members of a room that stop reading, with receive buffers of 4 kB.

Node cannot set SO_RCVBUF. Without it the kernel would absorb megabytes before the stall reaches the
server. Each client speaks just enough WebSocket, engine.io and Socket.IO to join from its last position.
It then reads nothing for a while, reads what is left of its connection, and comes back for more.

Arguments: host port room clients stall_min stall_max seed
Output: JSON lines. `joined` once all are members. `visit` for each time one came back to its socket:
what it read, what ended the connection, and how it was taken back. `done` at the end, after a line on
stdin asked everybody to come back a last time and read until they are whole.
"""

import base64
import heapq
import json
import os
import random
import re
import socket
import struct
import sys
import threading
import time

HOST, PORT, ROOM = sys.argv[1], int(sys.argv[2]), sys.argv[3]
CLIENTS, STALL_MIN, STALL_MAX = int(sys.argv[4]), float(sys.argv[5]), float(sys.argv[6])
RANDOM = random.Random(int(sys.argv[7]))
RECEIVE_BUFFER = 4096
PATIENCE = 20
# A connection that is silent for this long, or talks for that long, has not been cut off; seconds.
IDLE, CATCH_UP = 0.15, 3
HEAD = re.compile(rb'^42\["room:message",\{"room":"[^"]*","epoch":"([\w-]+)","offset":(\d+),"at":(\d+)')


def say(fact):
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


class Gone(Exception):
    pass


class Client:
    def __init__(self, number):
        self.session = f"stalled-{os.getpid()}-{number}"
        self.position = None
        self.problems = []
        self.bye = None
        self.read = 0
        self.rest = b""
        self.socket = None

    def enter(self):
        """Connects and joins from where it was; says how it was taken back."""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.settimeout(PATIENCE)
        self.socket.connect((HOST, PORT))
        self.rest = b""
        self.bye = None
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {HOST}:{PORT}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise Gone(head.split(b"\r\n")[0].decode())
        self.until(b"0")
        self.send("40" + json.dumps({"session": self.session}))
        self.until(b"40")
        request = {"room": ROOM, "limit": 0}
        if self.position is not None:
            request["since"] = self.position
        self.send("420" + json.dumps(["room:join", request]))
        reply = json.loads(self.until(b"430")[3:])[0]
        if not reply["ok"]:
            raise Gone(reply["error"]["code"])
        back = "new" if self.position is None else "recovered" if reply["recovered"] else "told"
        if back == "recovered":
            for message in reply["messages"]:
                self.take(message["epoch"], message["offset"], message["at"], live=False)
            if self.position["offset"] != reply["position"]["offset"]:
                self.problems.append(f"recovered to {self.position}, acknowledged {reply['position']}")
        self.position = reply["position"]
        return back

    def more(self):
        chunk = self.socket.recv(65536)
        if not chunk:
            raise Gone("end")
        self.rest += chunk

    def frame(self):
        """The next frame's payload."""
        while True:
            if len(self.rest) >= 2:
                size, head = self.rest[1] & 0x7F, 2
                if size == 126 and len(self.rest) >= 4:
                    size, head = struct.unpack(">H", self.rest[2:4])[0], 4
                elif size == 127 and len(self.rest) >= 10:
                    size, head = struct.unpack(">Q", self.rest[2:10])[0], 10
                if size < 126 and head == 2 or head > 2:
                    if len(self.rest) >= head + size:
                        opcode = self.rest[0] & 0x0F
                        payload = self.rest[head : head + size]
                        self.rest = self.rest[head + size :]
                        if opcode == 8:
                            raise Gone("close frame")
                        return payload
            self.more()

    def packet(self):
        """The next packet, with what every packet may mean dealt with."""
        payload = self.frame()
        if payload == b"2":
            self.send("3")
        elif payload == b"1":
            raise Gone("closed by the server")
        elif payload.startswith(b'42["gateway:bye"'):
            self.bye = json.loads(payload[2:])[1]["code"]
        else:
            found = HEAD.match(payload)
            if found:
                self.take(found[1].decode(), int(found[2]), int(found[3]), live=True)
        return payload

    def until(self, prefix):
        while True:
            payload = self.packet()
            if payload.startswith(prefix):
                return payload

    def take(self, epoch, offset, at, live):
        if self.position is None:
            self.problems.append(f"{offset} before the membership")
        elif epoch != self.position["epoch"] or offset != self.position["offset"] + 1:
            how = "live" if live else "replayed"
            self.problems.append(f"{how} {offset} came after {self.position['offset']}")
        self.position = {"epoch": epoch, "offset": offset, "at": at}
        self.read += 1

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        size = len(data)
        head = bytes([0x81, 0x80 | size]) if size < 126 else struct.pack(">BBH", 0x81, 0xFE, size)
        masked = bytes(byte ^ mask[index & 3] for index, byte in enumerate(data))
        self.socket.sendall(head + mask + masked)

    def empty(self):
        """Reads what is left of a connection that should have ended; says what ended it."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.settimeout(IDLE)
        deadline = time.monotonic() + CATCH_UP
        try:
            while time.monotonic() < deadline:
                self.packet()
            return "alive"
        except Gone as gone:
            return str(gone)
        except socket.timeout:
            return "alive"
        except OSError as error:
            return type(error).__name__
        finally:
            self.socket.close()

    def visit(self):
        started = time.monotonic()
        before = self.read
        ended = self.empty()
        bye = self.bye
        drained = self.read - before
        took_back = None
        for attempt in range(20):
            try:
                took_back = self.enter()
                break
            except (Gone, OSError):
                self.socket.close()
                time.sleep(0.2 * (attempt + 1))
        say({"visit": ended, "bye": bye, "drained": drained, "back": took_back,
             "ms": round((time.monotonic() - started) * 1000)})


def main():
    asked = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), asked.set()), daemon=True).start()
    clients = [Client(number) for number in range(CLIENTS)]
    for client in clients:
        client.enter()
    say({"joined": len(clients)})
    now = time.monotonic()
    turns = [(now + RANDOM.uniform(STALL_MIN, STALL_MAX), number) for number in range(CLIENTS)]
    heapq.heapify(turns)
    while not asked.is_set():
        at, number = turns[0]
        wait = at - time.monotonic()
        if wait > 0:
            asked.wait(wait)
            continue
        clients[number].visit()
        heapq.heapreplace(turns, (time.monotonic() + RANDOM.uniform(STALL_MIN, STALL_MAX), number))
    for client in clients:
        client.visit()
    positions = {(client.position["epoch"], client.position["offset"]) for client in clients}
    problems = [problem for client in clients for problem in client.problems]
    say({"done": len(clients), "positions": sorted(positions), "problems": problems[:20],
         "problemCount": len(problems)})
    for client in clients:
        client.socket.close()


main()
