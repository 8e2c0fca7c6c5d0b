"""Checks orders against rules that are loaded when the worker starts, before its pool is forked."""
import gc
import os
import time

import celery
from celery import signals


class Rule:
    def __init__(self, number):
        self.number = number
        self.countries = [number % 200, number % 31]
        self.limit = {"amount": number * 10}


RULES = [Rule(number) for number in range(250_000)]

if os.environ.get("FREEZE"):
    gc.freeze()  # the last thing before the pool is forked

app = celery.Celery("tasks", broker=f"redis+socket://{os.environ['SOCKET']}")


class Line:
    def __init__(self, order, position):
        self.order, self.position = order, position


class Order:
    def __init__(self, number):
        self.number = number
        self.lines = [Line(self, position) for position in range(20)]  # a cycle: only the collector frees it


@app.task
def check(number):
    orders = [Order(number + other) for other in range(200)]
    time.sleep(0.5)  # waits for a bank's answer
    return sum(len(order.lines) for order in orders)


@signals.task_postrun.connect
def collect(**_):
    gc.collect()  # "to give memory back"
