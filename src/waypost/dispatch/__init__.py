"""Makes the call: the attempt loop, the commit point, cancellation, and a lane for each kind of engine."""
