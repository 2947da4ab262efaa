"""The pages of ``docs/reference`` that are made from models, settings and lists, for ``build_docs``."""
