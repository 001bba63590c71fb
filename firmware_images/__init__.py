"""What a firmware image is, and the images themselves."""
