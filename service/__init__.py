"""The service: settings, wiring, the pipeline, the command line."""
