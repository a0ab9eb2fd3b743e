"""The result of a job: compare, prove, export, use again."""
