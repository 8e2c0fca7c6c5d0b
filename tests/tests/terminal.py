"""Runs a command on a terminal of its own: terminal.py DO SECONDS COMMAND...

After so many seconds it closes the terminal (close) or types Ctrl-C (interrupt), or does nothing (wait);
then it waits for the command's end. Prints its status, negative for a signal, and what it wrote to the terminal, in JSON."""
import json
import os
import pty
import select
import sys
import time

do, seconds, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
written = b""


def read_until(deadline):
    global written
    while (left := deadline - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # all who had it open have ended
                return
            if not piece:
                return
            written += piece


read_until(time.monotonic() + seconds)
if do == "close":
    os.close(terminal)
else:
    if do == "interrupt":
        os.write(terminal, b"\x03")
    read_until(time.monotonic() + 60)
deadline = time.monotonic() + 60
while True:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        break
    if time.monotonic() > deadline:
        os.kill(pid, 9)
        sys.exit("it does not end")
    time.sleep(0.02)
code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
print(json.dumps({"status": code, "written": written.decode(errors="replace")}))
