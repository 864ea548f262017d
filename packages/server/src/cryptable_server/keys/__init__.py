"""Evaluation keys of callers: uploads, whole or in parts, quotas, and where they are stored."""
