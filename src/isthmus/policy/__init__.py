"""Who may talk to whom: intents to rules of every layer, and the verdict of all layers on a connection."""
