"""What is done beside the steps of a run: metrics, progress, checkpoints, the best epoch."""
