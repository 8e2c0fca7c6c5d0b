"""A worker of RQ that loads its data first, and forks a process for each job."""

import gc
import os

import wsgi_service  # the data
from redis import Redis
from rq import Worker

# Otherwise a job's first collection may write the headers of the data before it reads them.
gc.freeze()
Worker(["default"], connection=Redis(unix_socket_path=os.environ["SOCKET"])).work()
