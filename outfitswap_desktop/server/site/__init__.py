"""The account site: pages rendered here, forms, no script. It calls what the API calls."""
