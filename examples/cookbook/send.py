"""Sends tasks to Celery for some seconds: send.py SECONDS TASKS_A_SECOND"""
import os
import sys
import time

import celery

app = celery.Celery("tasks", broker=f"redis+socket://{os.environ['SOCKET']}")
end = time.time() + float(sys.argv[1])
sent = 0
while time.time() < end:
    app.send_task("tasks.check", [sent], ignore_result=True)
    sent += 1
    time.sleep(1 / float(sys.argv[2]))
print(sent)
