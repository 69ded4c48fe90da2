"""One file a lane."""
