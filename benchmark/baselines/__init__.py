"""The methods, one file each. Imported by nobody: config.yaml names their classes."""
