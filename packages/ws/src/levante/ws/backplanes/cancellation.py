"""Whether the running task was cancelled and has not noticed.

redis-py loses a cancellation now and then, when it comes while a connection is made or given back; a task that then
waits for the next thing waits for ever, and so does the task group that it is in, which cancels each task once. So
what loops around redis-py asks here, each time around.
"""

import asyncio

__all__ = ["is_cancelled"]


def is_cancelled() -> bool:
    """Whether somebody has asked the running task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
