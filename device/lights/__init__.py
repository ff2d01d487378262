"""The light's backends: who drives its three colours."""
