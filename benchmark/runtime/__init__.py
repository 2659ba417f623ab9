"""The process that a job runs in: its device, its signals and checkpoints, its log, its ranks."""
