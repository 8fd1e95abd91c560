"""Clients of a server that echoes, many to a process of their own: each function here is one such
process, and ``pipe`` its end of a pipe to the test.

They connect, say on the pipe that they have, and go on until the process is killed.
"""

import contextlib
import math
import select
import socket
import time

#: Seconds that an answer may take.
PATIENCE = 20

MESSAGE = b"m" * 64


def connected(address, count):
    return [socket.create_connection(address, PATIENCE) for _ in range(count)]


def hold(pipe, address, count):
    """Each says something of its own and hears it, and then stays. Tells how many have heard it."""
    clients = connected(address, count)
    said = [b"%010d" % number for number in range(count)]
    for client, message in zip(clients, said):
        client.sendall(message)
    pipe.send(sum(client.recv(100) == message for client, message in zip(clients, said)))
    pipe.recv()


def drip(pipe, address, count):
    """Each sends a byte a second, one after the other. Tells, whatever the pipe says, how many of
    them the server has closed."""
    clients = connected(address, count)
    pipe.send(count)
    started, sent = time.monotonic(), 0
    while True:
        if pipe.poll(max(0, started + sent / count - time.monotonic())):
            pipe.recv()
            pipe.send(sum(map(is_closed, clients)))
        with contextlib.suppress(ConnectionError):
            clients[sent % count].send(b".")
        sent += 1


def is_closed(client):
    """Whether the server has closed the connection. Reads all that came before."""
    try:
        while client.recv(4096, socket.MSG_DONTWAIT):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


def measure(pipe, address, count):
    """Each sends a message when it has the last one back, for as many seconds as the pipe says,
    time and again. Tells the 99th percentile of the seconds that an echo took."""
    clients = {client.fileno(): client for client in connected(address, count)}
    poller = select.epoll()
    for descriptor in clients:
        poller.register(descriptor, select.EPOLLIN)
    pipe.send(count)
    while True:
        pipe.send(percentile(99, latencies(clients, poller, pipe.recv())))


def latencies(clients, poller, seconds):
    found, sent = [], {}
    until = time.monotonic() + seconds
    for descriptor, client in clients.items():
        sent[descriptor] = time.monotonic()
        client.sendall(MESSAGE)
    while sent:
        ready = poller.poll(PATIENCE)
        if not ready:
            raise AssertionError("%d echoes never came" % len(sent))
        for descriptor, _ in ready:
            client = clients[descriptor]
            if client.recv(len(MESSAGE), socket.MSG_WAITALL) != MESSAGE:
                raise AssertionError("not what was sent")
            now = time.monotonic()
            found.append(now - sent.pop(descriptor))
            if now < until:
                sent[descriptor] = now
                client.sendall(MESSAGE)
    return found


def percentile(percent, numbers):
    return sorted(numbers)[math.ceil(len(numbers) * percent / 100) - 1]
