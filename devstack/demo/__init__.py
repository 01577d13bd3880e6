"""The demo model: an offline, rule-based stand-in that speaks the OpenAI chat-completions wire."""
