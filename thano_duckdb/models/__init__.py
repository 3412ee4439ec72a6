"""Models as folders: the registry on disk, the Hugging Face hub, what ships with the package. No torch."""
