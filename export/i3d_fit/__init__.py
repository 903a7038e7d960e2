"""Fit behaviours of a lab's own: annotated videos to features, to a head, to a served model."""
