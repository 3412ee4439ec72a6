"""Which folder a model is: the registry on disk, the Hugging Face hub, what ships with the package. No torch."""
