"""Networks that OpenVINO runs."""
