"""Other formats, on request."""
