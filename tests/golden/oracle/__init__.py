"""The Hugging Face model as an oracle: small models, prompts, and every trace point recorded."""
