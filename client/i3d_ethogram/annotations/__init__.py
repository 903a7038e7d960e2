"""What people annotated, read from the files of the tools that they use."""
