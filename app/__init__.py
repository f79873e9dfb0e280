"""The user interface: arranges widgets, computes nothing."""

import os

# Before Gradio and Hugging Face's library are imported, which ask only then; Streamlit's is in .streamlit/config.toml.
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
