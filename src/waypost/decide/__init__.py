"""Which deployment should answer, with which settings, and why. Pure: no I/O, no clock, no randomness."""
