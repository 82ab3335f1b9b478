"""What the steps of a run share: services, one writer, who may start next, and counts."""
