"""The commands, one module a group: arguments in, a service called, its result shown."""
