"""Reading bundles and checking what they hold."""
