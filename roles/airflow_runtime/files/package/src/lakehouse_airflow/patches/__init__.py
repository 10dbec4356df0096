"""Patches of what makes services wait or work for nothing; docs/upstream.md describes each fault."""
