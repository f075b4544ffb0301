"""Measures this project and its alternatives on one server; see README.md."""
