"""The operating system of Fazt. Knows no service and nothing of the program that starts it.

Rooms, in order: base, syscall, storage, security, observe, data, apps, net, identity, proc. A room may use
those before it, never those after it; what it needs from below it declares as a port that `fazt/boot.py` fills.
"""
