"""`--profile N`: where the time of N iterations goes, as a trace that a browser opens and as a table."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch.profiler import ProfilerAction, profile

from utils.distributed import is_main
from utils.ranges import named, showing

WARM_UP = 2  # iterations before the first one that counts, if the step has so many
LARGEST = 6  # operators in the table
PARTS = ("data", "network", "teacher", "losses", "backward", "optimizer")
FILE = "trace.json.gz"


class InRange:
    """A callable of a method, whose calls are the part `name` of an iteration; else itself."""

    def __init__(self, name: str, inner: Callable):
        self.name, self.inner = name, inner

    def __call__(self, *args, **options):
        with named(self.name):
            return self.inner(*args, **options)

    def __getattr__(self, name: str):
        return getattr(self.inner, name)


@contextmanager
def profiled(method, iterations: int, progress, loader, log) -> Iterator[Callable[[], None]]:
    """Profile the next `iterations` optimizer steps of `method`, or all that are left; 0: none.

    Gives what has to be called after each of them. When the last is done, or the step is interrupted, the
    folder of `log` has the trace, and the table is said.
    """
    accumulate, epochs = method.training.accumulate, method.training.epochs
    left = (epochs - progress.epoch) * (len(loader) // accumulate) - progress.batch // accumulate
    iterations = min(iterations, left) if is_main() else 0
    if not iterations:
        yield lambda: None
        return
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else it writes to the terminal when it starts and stops
    first = min(WARM_UP, left - iterations)
    last = first + iterations - 1

    def stages(step: int) -> ProfilerAction:
        if step < first or step > last:
            return ProfilerAction.WARMUP if step < first else ProfilerAction.NONE
        return ProfilerAction.RECORD_AND_SAVE if step == last else ProfilerAction.RECORD

    model, method.model = method.model, InRange("network", method.model)
    try:
        with showing(), profile(schedule=stages, on_trace_ready=lambda trace: report(trace, log)) as trace:
            yield trace.step
    finally:
        method.model = model


def report(trace: profile, log) -> None:
    """Write the trace into the folder of `log`, and say what took how long."""
    file = log.folder / FILE
    trace.export_chrome_trace(str(file))
    events = list(trace.events())
    steps = [event for event in events if event.name.startswith("ProfilerStep")]
    whole = sum(event.cpu_time_total for event in steps)
    number = "1 iteration" if len(steps) == 1 else f"{len(steps)} iterations"
    lines = [f"profile of {number}, {1e-3 * whole / len(steps):.1f} ms each: {file}"]
    lines += ["  (https://ui.perfetto.dev or chrome://tracing opens it; times are those of the host)"]
    for name, time in [*times_of_parts(events), *largest_operators(events)]:
        lines.append(f"  {name:40} {1e-3 * time / len(steps):9.2f} ms {time / whole:6.1%}")
    log.say("\n".join(lines))


def times_of_parts(events: list) -> list[tuple[str, float]]:
    """Microseconds of each part; `losses` without the networks that run within them, and what they are of."""
    times = dict.fromkeys(PARTS, 0.0)
    for event in events:
        if event.name in times:
            times[event.name] += event.cpu_time_total
    times["losses"] -= times["network"] + times["teacher"]
    found = [(name, time) for name, time in times.items() if time > 0]
    terms: dict[str, float] = {}
    for event in events:
        if event.name.startswith("loss: ") and not within_a_term(event):
            terms[event.name] = terms.get(event.name, 0.0) + event.cpu_time_total
    at = [name for name, _ in found].index("losses") + 1
    return [*found[:at], *((f"  {name}", time) for name, time in terms.items()), *found[at:]]


def within_a_term(event) -> bool:
    """Whether an outer part of the losses has `event` in it already."""
    while event := event.cpu_parent:
        if event.name.startswith("loss: "):
            return True
    return False


def largest_operators(events: list) -> list[tuple[str, float]]:
    """The operators that take the most microseconds themselves."""
    times: dict[str, float] = {}
    for event in events:
        if event.name.startswith("aten::"):
            times[event.name] = times.get(event.name, 0.0) + event.self_cpu_time_total
    return sorted(times.items(), key=lambda pair: -pair[1])[:LARGEST]
