"""Countries, industries and texts: frozen data files and the modules that read them."""
