#!/usr/bin/env python3
"""The other machine of space.sh: a server at port 8000 that counts who comes, and a socket where those who are not
root ask for what outside.rs does itself. A line in, a line back:

    reaches ADDRESS PORT    yes or no: whether somebody answers there, seen from here
    route ADDRESS           a route to there by way of 198.51.100.1
    met                     how many came to port 8000 since that was asked
"""

import http.server
import os
import socket
import socketserver
import subprocess
import sys
import threading

# Both as in outside.rs.
HELLO = b"hello from outside"
PORT = 8000
met = 0


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global met
        met += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(HELLO)))
        self.end_headers()
        self.wfile.write(HELLO)

    def log_message(self, *_):
        pass


def reaches(address, port):
    try:
        socket.create_connection((address, int(port)), timeout=3).close()
        return "yes"
    except OSError:
        return "no"


def route(address):
    words = ["ip", "route", "replace", address, "via", "198.51.100.1"]
    done = subprocess.run(words, capture_output=True, text=True)
    return "done" if done.returncode == 0 else done.stderr.strip()


def told():
    global met
    was, met = met, 0
    return str(was)


class Asked(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            act, *words = line.decode().split()
            answer = {"reaches": reaches, "route": route, "met": told}[act](*words)
            self.wfile.write(f"{answer}\n".encode())


web = http.server.ThreadingHTTPServer(("0.0.0.0", PORT), Web)
if not sys.argv[1]:
    web.serve_forever()
threading.Thread(target=web.serve_forever, daemon=True).start()
# It is there when everybody may ask.
os.umask(0o111)
socketserver.ThreadingUnixStreamServer(sys.argv[1], Asked).serve_forever()
