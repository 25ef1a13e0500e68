from tests.system.conftest import cache, fazt, machine, program, python, shared

__all__ = ["cache", "fazt", "machine", "program", "python", "shared"]
