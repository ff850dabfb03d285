"""Behaviours of the framework, and its numbers against the published systems."""
