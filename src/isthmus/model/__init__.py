"""Frozen values and their parsing; nothing here touches the world."""
