"""Sends requests over four connections at a time: load.py SOCKET|PORT SECONDS REQUESTS_A_SECOND"""
import socket
import sys
import threading
import time

where, seconds, rate = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
connections = 4
end = time.time() + seconds
answered = [0] * connections


def ask():
    connection = socket.socket(socket.AF_UNIX if "/" in where else socket.AF_INET)
    connection.connect(where if "/" in where else ("127.0.0.1", int(where)))
    connection.sendall(b"GET / HTTP/1.0\r\nHost: shop\r\n\r\n")
    while connection.recv(65536):
        pass
    connection.close()


def client(number):
    while time.time() < end:
        begun = time.time()
        try:
            ask()
            answered[number] += 1
        except OSError:
            time.sleep(0.2)  # the service restarts
        time.sleep(max(0, connections / rate - (time.time() - begun)))


threads = [threading.Thread(target=client, args=(number,)) for number in range(connections)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(answered), "requests")
