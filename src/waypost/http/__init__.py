"""HTTP/1.1 as a client speaks it: to engines that are called, and to whatever is asked a question."""
