"""An application of Celery that loads its data before the workers are forked."""

import gc
import os

import celery
import jobs
import wsgi_service  # the data

# Otherwise a worker's first collection may write the headers of the data before the trace.
gc.freeze()
app = celery.Celery("celery_service", broker=f"redis+socket://{os.environ['SOCKET']}")
app.task(jobs.read, name="read")
