from typing import Any

class ScanError(Exception):
    pointer: str
    offset: int
    expected: str
    found: str
    hint: str

class Skipped:
    kind: str

class BrokenArray:
    faults: list[tuple[str, str, str, str]]
    shape: tuple[int, ...]

def pointer_token(token: object) -> str: ...
def scan(data: bytes) -> Any: ...
