"""The networks of checkpoints in OpenVINO, Intel's inference engine for CPUs: an optional way to run them."""
