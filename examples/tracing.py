"""cowtrace while something is measured: starts it, waits until it traces, and takes its JSON report."""

import json
import signal
import subprocess
import threading
from collections import Counter


class Trace:
    def __init__(self, program, pid):
        command = [program, "--no-keep", "-v", "-f", "json", "--no-histogram", "--pid", str(pid)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        heard = []
        for line in self.process.stderr:
            heard.append(line)
            if "tracing " in line:
                break
        else:
            raise SystemExit("cowtrace does not trace:\n" + "".join(heard))
        # What it says later is read too, or it would wait.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self):
        """Ends the trace, as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        report = json.loads(self.process.stdout.read())
        self.process.wait()
        return report


def losses(report):
    """What was not seen, by cause; nothing in the normal case."""
    no_losses = ("interrupts_skipped", "writers_sampled", "writers_drawn", "writers_error")
    return {cause: count for cause, count in report["loss"].items() if count and cause not in no_losses}


def process(report, pid):
    return next(found for found in report["processes"] if found["pid"] == pid)


def functions(report):
    """Copied pages by function and module. One without a name is called by what lies around it in the file."""
    pages, around = Counter(), {row["function"]: neighbours(row) for row in report["unnamed_functions"]}
    for writer in report["writers"]:
        if writer["kind"] == "kernel":
            name = (writer["system_call_name"] or "the kernel", "kernel")
        else:
            function = writer["function"] or "(unknown)"
            name = (around.get(function, function), writer["module"] or "(unknown)")
        pages[name] += writer["copied_pages"]
    return pages


def neighbours(row):
    names = [side["function"] for side in (row["before"], row["after"]) if side]
    return row["function"] + (f" (between {' and '.join(names)})" if len(names) == 2 else "")
