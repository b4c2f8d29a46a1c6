"""Operations of a gradient step, counted in the program that a compiler has made.

XLA's text has one computation after the other, and in each one instruction a line. On a
GPU an instruction is a launch of a kernel, except those that only name memory; a
loop's condition that depends on data is waited for.
"""

import re
from dataclasses import dataclass

FREE = {
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"),
    *("add-dependency", "opt-barrier", "partition-id", "replica-id"),
}
"""Instructions that run nothing."""


# The type before the name may hold brackets, but no lower-case word with one.
INSTRUCTION = re.compile(r"\s+(?:ROOT )?%?[\w.-]+ = .*?\b([a-z][\w-]*)\(")


@dataclass(frozen=True)
class Count:
    """Launches, and the conditions that the host waits for."""

    launches: int = 0
    waits: int = 0

    def plus(self, other: "Count", times: int = 1) -> "Count":
        """This and another one, so many times."""
        return Count(
            self.launches + times * other.launches, self.waits + times * other.waits
        )


@dataclass(frozen=True)
class Instruction:
    """What it does, and its line."""

    name: str
    line: str

    def called(self, role: str) -> str:
        """The computation that it calls as its `body`, `condition` or the like."""
        found = re.search(rf"\b{role}=%?([\w.-]+)", self.line)
        if found is None:
            raise ValueError(f"{self.name}: expected {role}= in {self.line.strip()!r}")
        return found[1]


Computations = dict[str, list[Instruction]]


def step_count(text: str, steps: int, data_trips: int) -> Count:
    """What one of the `steps` passes of the training loop launches and waits for.

    **Arguments:** the compiled program's `text`; `steps`, the gradient steps of a call;
    `data_trips`, how often a loop runs whose length depends on the data.

    **Raises:** `ValueError` for a text without a loop of so many steps.
    """
    computations = _computations(text)
    loops = [
        instruction
        for instructions in computations.values()
        for instruction in instructions
        if instruction.name == "while" and _trips(computations, instruction) == steps
    ]
    if len(loops) != 1:
        raise ValueError(
            f"{len(loops)} loops of {steps} steps: expected one, the training's"
        )
    return _count(computations, loops[0].called("body"), data_trips)


def _count(computations: Computations, name: str, data_trips: int) -> Count:
    total = Count()
    for instruction in computations[name]:

        def inside(role, instruction=instruction):
            return _count(computations, instruction.called(role), data_trips)

        if instruction.name == "call":
            total = total.plus(inside("to_apply"))
        elif instruction.name != "while":
            total = total.plus(Count(0 if _free(instruction.name) else 1))
        elif (trips := _trips(computations, instruction)) is not None:
            total = total.plus(inside("body"), trips)
        else:
            total = total.plus(inside("body"), data_trips)
            # Asked once more than it lets pass.
            asked = inside("condition").plus(Count(waits=1))
            total = total.plus(asked, data_trips + 1)
    return total


def _trips(computations: Computations, loop: Instruction) -> int | None:
    """How often a loop runs, where its program says so."""
    if found := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.line):
        return int(found[1])
    # Of a loop from 0 the condition compares with the one constant that it has.
    condition = computations[loop.called("condition")]
    constants = [
        re.search(r"constant\((\d+)\)", instruction.line)
        for instruction in condition
        if instruction.name == "constant"
    ]
    compares = condition[-1].name == "compare"
    if compares and len(constants) == 1 and constants[0] is not None:
        return int(constants[0][1])
    return None


def _free(name: str) -> bool:
    # Of an asynchronous pair the first half is the launch.
    return name in FREE or name.endswith(("-done", "-update"))


def _computations(text: str) -> Computations:
    computations: Computations = {}
    current: list[Instruction] = []
    for line in text.splitlines():
        if line.endswith("{") and (head := re.match(r"(?:ENTRY )?%?([\w.-]+) ", line)):
            current = computations.setdefault(head[1], [])
        elif found := INSTRUCTION.match(line):
            current.append(Instruction(found[1], line))
    return computations
