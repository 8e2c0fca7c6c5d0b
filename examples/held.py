"""Holds a child at its beginning and at its end, by ptrace(2), so that memory can be read while nothing changes it.

The server's main thread is seized before the fork. At the fork the kernel stops parent and child; at the child's exit
it stops the child, which still has its memory then. Neither is read or written by ptrace.
"""

import ctypes
import os
import signal

CONT, DETACH, SEIZE, GETEVENTMSG = 7, 17, 0x4206, 0x4201
TRACE_FORK, TRACE_EXIT = 1 << 1, 1 << 6
EVENT_FORK, EVENT_EXIT, EVENT_STOP = 1, 6, 128
# waitpid: threads and processes that are traced but no children (linux/wait.h).
ANY_KIND = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, data=0):
    if libc.ptrace(request, pid, None, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace {request} of {pid}: {os.strerror(error)}")


class Holder:
    """All calls must come from the thread that made it."""

    def __init__(self, parent):
        self.parent, self.child = parent, None
        ptrace(SEIZE, parent, TRACE_FORK | TRACE_EXIT)

    def wait_for_fork(self):
        """Returns the child's pid; both are held."""
        self._wait(self.parent, EVENT_FORK)
        message = ctypes.c_ulong()
        ptrace(GETEVENTMSG, self.parent, ctypes.addressof(message))
        self.child = message.value
        self._wait(self.child, EVENT_STOP)
        return self.child

    def release_both(self):
        """The parent is not held again: its signals would stop it each time."""
        ptrace(DETACH, self.parent)
        ptrace(CONT, self.child)

    def wait_for_exit(self):
        """Returns when the child is held at its end."""
        self._wait(self.child, EVENT_EXIT)

    def release_child(self):
        ptrace(DETACH, self.child)

    def _wait(self, pid, event):
        """Waits for an event; signals that come before are passed on."""
        while True:
            _, status = os.waitpid(pid, ANY_KIND)
            if not os.WIFSTOPPED(status):
                raise RuntimeError(f"{pid} has ended")
            if status >> 16 == event:
                return
            given = os.WSTOPSIG(status) if status >> 16 == 0 else 0
            ptrace(CONT, pid, 0 if given == signal.SIGTRAP else given)
