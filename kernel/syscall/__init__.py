"""What a capability is: one declared function, from which every door is made."""

from kernel.syscall.call import Call, Who
from kernel.syscall.declare import Declaration, syscall
from kernel.syscall.plan import Page, Scan, Step, Write
from kernel.syscall.registry import Registry
from kernel.syscall.words import AppRef, Duration, Json, Key, Limit, Line, Offset, Secret, Size, Text, Upload

__all__ = [
    "AppRef",
    "Call",
    "Declaration",
    "Duration",
    "Json",
    "Key",
    "Limit",
    "Line",
    "Offset",
    "Page",
    "Registry",
    "Scan",
    "Secret",
    "Size",
    "Step",
    "Text",
    "Upload",
    "Who",
    "Write",
    "syscall",
]
