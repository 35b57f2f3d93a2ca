"""The verbs below `isthmus access` that judge, one module each; `policy` decides and `render` draws."""
