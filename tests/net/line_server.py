"""A server of Python's own: each line comes back in capitals; "end" ends the connection.

Says its port on standard output; runs until it is killed.
"""

import sys

try:
    from socketserver import StreamRequestHandler, ThreadingTCPServer
except ImportError:
    # Python 2's name of it.
    from SocketServer import StreamRequestHandler, ThreadingTCPServer


class Capitals(StreamRequestHandler):
    def handle(self):
        for line in iter(self.rfile.readline, b"end\n"):
            if not line:
                raise EOFError("the client said no end")
            self.wfile.write(line.upper())


def main():
    server = ThreadingTCPServer(("127.0.0.1", 0), Capitals)
    print(server.server_address[1])
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
