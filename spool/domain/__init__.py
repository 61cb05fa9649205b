"""The rules: no I/O, no await, no clock. `now` is always an argument."""
