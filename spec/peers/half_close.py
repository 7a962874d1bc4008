"""A client that sends its requests and its end, and reads after that: half_close.py HOST:PORT COUNT"""
import http.client
import io
import socket
import sys


class Stream(io.BufferedReader):
    """What http.client reads responses from; it would close it after the first."""

    def makefile(self, mode):
        return self

    def close(self):
        pass


address, count = sys.argv[1], int(sys.argv[2])
host, port = address.rsplit(":", 1)
client = socket.create_connection((host, int(port)), timeout=10)
client.sendall(b"GET /half HTTP/1.1\r\nHost: half.test\r\n\r\n" * count)
client.shutdown(socket.SHUT_WR)

stream = Stream(socket.SocketIO(client, "r"))
while stream.peek(1):
    response = http.client.HTTPResponse(stream)
    response.begin()
    print(response.status, response.read().decode())
