"""What we have: deployments, what they can do, and how they are right now."""
