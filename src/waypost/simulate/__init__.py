"""What a policy makes of a machine: requests, loads and evictions on a clock of their own, and the real `decide`."""
