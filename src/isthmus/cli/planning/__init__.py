"""The verbs below `isthmus plan`, one module each; `network` judges and `render` draws."""
