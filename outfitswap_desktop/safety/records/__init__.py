"""What the safety room remembers: keys, consents, the audit log, and the roots of results."""
