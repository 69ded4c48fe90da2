"""Clients' protocols: parse a body to a Turn, render events back."""
