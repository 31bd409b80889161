"""What `gofer-db` does with whole files: take them out and put them back, check and mend them, count what they hold."""
