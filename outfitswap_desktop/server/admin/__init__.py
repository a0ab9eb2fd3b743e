"""What administrators do at the server's command line; every change asks for a reason and is in the audit chain."""
