"""What an encoder is worth: probes of frozen features, metrics, splits and folds, and tables of features."""
